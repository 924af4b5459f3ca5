"""`llm-gateway sessions`."""

from __future__ import annotations


def test_sessions_are_listed_and_shown_with_their_turns(command) -> None:
    assert command.run("sessions", "list").stdout == "no sessions\n"
    asked = command.json("ask", "echo", "hello")
    session = asked["gatewaySessionId"]
    (found,) = command.json("sessions", "list", "--provider", "echo")["sessions"]
    assert (found["gatewaySessionId"], found["resumable"], found["active"]) == (session, True, False)
    head, row = command.run("sessions", "list").stdout.splitlines()
    assert head.split()[:2] == ["SESSION", "PROVIDER"]
    assert row.split()[:2] == [session, "echo"]
    told = command.json("sessions", "show", asked["sessionId"])
    assert [turn["id"] for turn in told["turns"]] == [asked["jobId"]]
    assert (found["title"], told["turns"][0]["title"]) == ("hello", "hello")
    assert command.run("sessions").stdout.splitlines()[0] == head
    for typed in ("last", session[:9]):
        assert command.json("sessions", "show", typed)["turns"] == told["turns"]
    text = command.run("sessions", "show", session).stdout
    assert asked["jobId"] in text
    assert session in text


def test_a_session_in_use_is_what_the_next_request_here_continues(command) -> None:
    session = command.json("ask", "echo", "remember this")["gatewaySessionId"]
    told = command.run("sessions", "use", session).stdout
    assert told.startswith("requests to echo in ")
    assert told.endswith(f" continue {session}\n")
    assert "remember this" in command.run("ask", "echo", "what?", "--param", "scenario=recall").stdout
    assert command.json("sessions", "use", "none", "--provider", "echo").get("session") is None
    assert "nothing was said" in command.run("ask", "echo", "and now?", "--param", "scenario=recall").stdout
    assert command.run("sessions", "use", "none").returncode == 2


def test_a_forgotten_session_is_gone(command) -> None:
    first, second, third = (command.json("ask", "echo", word)["gatewaySessionId"] for word in ("a", "b", "c"))
    assert command.run("sessions", "delete", first).stdout.startswith(f"{first} ")
    done = command.run("sessions", "show", first)
    assert done.returncode == 1
    assert "session_not_found" in done.stderr
    assert sorted(command.json("sessions", "delete", "--all")["deleted"]) == sorted([second, third])
    assert command.run("sessions", "delete").returncode == 2


def test_a_session_whose_turn_runs_is_kept(command) -> None:
    command.begin("busy", "--param", "scenario=hang")
    (session,) = (one["gatewaySessionId"] for one in command.json("sessions", "list")["sessions"])
    assert command.run("sessions", "delete", session).returncode == 1
    assert command.json("sessions", "delete", "--all", code=3) == {"deleted": [], "busy": [session]}


def test_where_the_operations_are_not_loaded_the_command_says_what_is_missing(command) -> None:
    done = command.run("sessions", "list", LLM_GATEWAY_PLUGINS="echo")
    assert done.returncode == 2
    assert "llm-gateway-extension-operations" in done.stderr
