"""`llm-gateway serve`."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import IO, Any

import pytest

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def talk(process: subprocess.Popen[bytes], number: int, method: str, params: dict[str, Any]) -> Any:
    stdin, stdout = pipes(process)
    stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n")
    stdin.flush()
    return json.loads(stdout.readline())["result"]


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin
    assert process.stdout
    return process.stdin, process.stdout


@pytest.fixture
def served(command):
    with command.start("serve", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert talk(process, 1, "initialize", HELLO)["serverInfo"]["name"] == "llm-gateway"
        yield process
        process.kill()


def test_it_ends_well_when_the_client_closes_its_end(served) -> None:
    out, err = served.communicate(timeout=20)
    assert (served.returncode, out, err) == (0, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_at_once_and_cleanly(served, number) -> None:
    served.send_signal(number)
    assert served.wait(20) == 0
    assert served.stderr.read() == b""


def test_lesson_6_a_job_goes_on_when_the_client_has_left(served, command) -> None:
    arguments = {"prompt": "go on", "scenario": "steps", "amount": 2, "delayMs": 400}
    answer = talk(served, 2, "tools/call", {"name": "echo_request_async", "arguments": arguments})
    job_id = answer["structuredContent"]["job"]["id"]
    served.communicate(timeout=20)
    assert command.run("jobs", "wait", job_id).returncode == 0
    assert command.run("jobs", "result", job_id).stdout == "echo: go on\n"


def test_what_waits_for_a_place_is_started_before_it_leaves(command) -> None:
    command.environ["LLM_GATEWAY_LIMITS_RUNNING"] = "1"
    with command.start("serve", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        talk(process, 1, "initialize", HELLO)
        ids = []
        for number in (2, 3):
            arguments = {"prompt": f"job {number}", "scenario": "steps", "amount": 1, "delayMs": 300}
            answer = talk(process, number, "tools/call", {"name": "echo_request_async", "arguments": arguments})
            ids.append(answer["structuredContent"]["job"]["id"])
        assert answer["structuredContent"]["job"]["status"] == "queued"
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert command.json("jobs", "show", ids[1])["job"]["startedAt"]


def test_broken_settings_are_told_with_file_and_line_and_no_traceback(command) -> None:
    command.home.mkdir(0o700)
    (command.home / "config.toml").write_text("[limits]\nrunning = 4\nquued = 1\n")
    done = command.run("serve")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{command.home / 'config.toml'}, line 3: unknown key quued in [limits]; did you mean queued?" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_transport_or_log_level_is_told_without_a_traceback(command) -> None:
    unknown = command.run("serve", "--transport", "mpc")
    assert unknown.returncode == 2
    assert "did you mean mcp?" in unknown.stderr
    level = command.run("serve", LLM_GATEWAY_LOG="loud")
    assert level.returncode == 2
    assert "LLM_GATEWAY_LOG must be one of" in level.stderr
    assert "Traceback" not in unknown.stderr + level.stderr
