"""What is known about the limits of agents, and the warning before a request that will fail."""

from __future__ import annotations

import json

QUOTA = ("--param", "scenario=quota")


def test_a_request_to_an_agent_whose_limit_is_used_up_is_warned_about_at_once(command) -> None:
    assert command.run("ask", "echo", "one", *QUOTA).returncode == 1
    started = command.json("ask", "echo", "two", "--async")
    (warning,) = [one for one in started["warnings"] if one["code"] == "limit_reached"]
    assert warning["resetAt"] > warning["observedAt"]
    assert warning["available"] == []
    assert "used up until" in command.run("ask", "echo", "three", "--new").stderr


def test_a_run_that_ends_well_ends_the_warning(command) -> None:
    assert command.run("ask", "echo", "one", *QUOTA).returncode == 1
    assert command.run("ask", "echo", "two").returncode == 0
    assert command.json("ask", "echo", "three", "--async")["warnings"] == []


def test_a_limit_that_was_reset_is_no_reason_to_warn(command) -> None:
    assert command.run("ask", "echo", "one", *QUOTA).returncode == 1
    path = command.home / "limits" / "echo.json"
    known = json.loads(path.read_text())
    known["windows"][0]["resetsAt"] = known["observedAt"]
    path.write_text(json.dumps(known))
    assert command.json("ask", "echo", "two", "--async")["warnings"] == []


def test_what_is_known_is_stored_privately_with_its_time(command) -> None:
    assert command.run("ask", "echo", "one", *QUOTA).returncode == 1
    path = command.home / "limits" / "echo.json"
    known = json.loads(path.read_text())
    (window,) = known["windows"]
    assert (window["exhausted"], window["resetsAt"] > known["observedAt"]) == (True, True)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.write_text('{"windows": [{"exhausted": true, "resetsAt": 7}], "observedAt": null}')
    assert command.json("ask", "echo", "two", "--async")["warnings"] == []
