"""The handshake cache of `llm-gateway serve`: it answers without the gateway, and says the same as the SDK's server."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
CLIENT = {"capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT["clientInfo"],
}
#: Ends a process that has not imported the gateway: says which of the heavy modules it has.
HEAVY = (
    "anyio",
    "asyncio",
    "mcp",
    "pydantic",
    "pluggy",
    "llm_gateway.opening",
    "re",
    "enum",
    "argparse",
    "typing",
    "hashlib",
)
LOOK = f"import sys; print(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
#: What an idle gateway does without: it is for commands, mistakes, and what somebody has to ask for.
IDLE_WITHOUT = (
    *("mcp", "mcp_types", "difflib", "genai_prices", "importlib_metadata", "rich", "tomlkit", "zipp"),
    *("llm_gateway.cli.doctor", "llm_gateway_extension_connect.changing", "llm_gateway_testing"),
)
SERVE_AND_LOOK = f"""
import sys
from llm_gateway.cli import main
code = main(["serve"])
print(*[name for name in {IDLE_WITHOUT} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def frame(method: str, request_id: int | str | None = None, **params: Any) -> bytes:
    known = {} if request_id is None else {"id": request_id}
    return json.dumps({"jsonrpc": "2.0", **known, "method": method, "params": params}).encode() + b"\n"


def answers(command: Any, *frames: bytes) -> list[bytes]:
    """The lines that a new gateway answers to frames that are sent one by one, each after the answer to the one before."""
    lines = []
    with command.start("serve", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for each in frames:
            process.stdin.write(each)
            process.stdin.flush()
            if b'"id"' in each:
                lines.append(process.stdout.readline())
        rest, errors = process.communicate(timeout=30)
    assert (rest, errors, process.returncode) == (b"", b"", 0)
    return lines


def greeting(version: str) -> tuple[bytes, bytes]:
    return frame("initialize", 0, protocolVersion=version, **CLIENT), frame("notifications/initialized")


@pytest.fixture
def configured(command: Any) -> Any:
    """A command with a setting, so that the prebuilt listing does not apply."""
    command.environ["LLM_GATEWAY_SYNC_DEADLINE_S"] = "45"
    return command


@pytest.fixture
def primed(configured: Any) -> Any:
    command = configured
    done = command.run("serve", "--prime")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return command


@pytest.mark.parametrize("version", [*VERSIONS, "1999-01-01"])
def test_all_ways_say_the_same_byte_for_byte(version: str, command: Any) -> None:
    asked = [*greeting(version), frame("ping", "p")]
    asked += [frame(method, number) for number, method in enumerate(LISTS, 1)]
    asked += [frame("tools/call", 9, name="llm_job_list", arguments={}), frame("tools/list", 10)]
    prebuilt = answers(command, *asked)
    assert not (command.home / "handshake").exists()
    command.environ["LLM_GATEWAY_SYNC_DEADLINE_S"] = "45"
    by_sdk = answers(command, *asked)
    command.run("serve", "--prime")
    stored = answers(command, *asked)
    assert by_sdk == prebuilt
    assert by_sdk == stored
    assert [json.loads(line)["id"] for line in by_sdk] == [0, "p", 1, 2, 3, 4, 9, 10]


def test_a_client_of_the_newest_protocol_is_answered_by_the_sdk_alone(command: Any) -> None:
    asked = [frame("server/discover", 1, _meta=MODERN), frame("tools/list", 2, _meta=MODERN)]
    quick = answers(command, *asked)
    command.environ["LLM_GATEWAY_SYNC_DEADLINE_S"] = "45"
    assert answers(command, *asked) == quick
    assert "result" in json.loads(quick[0])


@pytest.mark.parametrize("stored", [False, True])
def test_handshake_and_lists_come_from_a_process_that_has_imported_next_to_nothing(stored: bool, command: Any) -> None:
    if stored:
        command.environ["LLM_GATEWAY_SYNC_DEADLINE_S"] = "45"
        command.run("serve", "--prime")
    begin = "from llm_gateway.cli import _start_handshake_cache; _start_handshake_cache([])"
    with subprocess.Popen(
        [sys.executable, "-c", f"{begin}; {LOOK}"],
        env=command.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        asked = (*greeting("2025-11-25"), *(frame(method, number) for number, method in enumerate(LISTS, 1)))
        out, err = process.communicate(b"".join(asked), timeout=20)
    assert [json.loads(line)["id"] for line in out.splitlines()] == [0, 1, 2, 3, 4]
    assert err == b"re enum\n", "json needs them"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_gateway_without_an_error(number: int, command: Any) -> None:
    with command.start("serve", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(greeting("2025-11-25")[0])
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 0
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == b""
    assert not command.home.exists(), "nothing is made before it is needed"


def test_an_unfinished_job_of_a_killed_gateway_opens_an_idle_one(command: Any) -> None:
    with command.start("serve", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        call = frame(
            "tools/call", 1, name="echo_request_async", arguments={"prompt": "x", "scenario": "hang", "workingDir": "/"}
        )
        for each in (*greeting("2025-11-25"), call):
            process.stdin.write(each)
        process.stdin.flush()
        process.stdout.readline()
        job = json.loads(process.stdout.readline())["result"]["structuredContent"]["job"]["id"]
        process.kill()
    leases = dict.fromkeys(os.listdir(command.home / "gateways"))
    dead = frozenset(leases)
    with command.start("serve", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for each in greeting("2025-11-25"):
            process.stdin.write(each)
        process.stdin.flush()
        process.stdout.readline()
        deadline = time.monotonic() + 60
        while not leases.keys() - dead:  # the lease of a gateway that was opened without a request
            assert time.monotonic() < deadline, f"no gateway was opened for {job}"
            select.select([process.stdout], [], [], 0.02)  # an idle gateway sends nothing
            leases = dict.fromkeys(os.listdir(command.home / "gateways"))
        process.communicate(timeout=30)


def test_an_idle_gateway_with_everything_installed_has_not_imported_what_it_does_not_need(command: Any) -> None:
    environ = {name: value for name, value in command.environ.items() if name != "LLM_GATEWAY_PLUGINS"}
    call = frame("tools/call", 1, name="llm_job_list", arguments={})
    with subprocess.Popen(
        [sys.executable, "-c", SERVE_AND_LOOK],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        for each in (*greeting("2025-11-25"), call):
            process.stdin.write(each)
        process.stdin.flush()
        assert [json.loads(process.stdout.readline())["id"] for _ in range(2)] == [0, 1]
        _, err = process.communicate(timeout=30)
    assert (err, process.returncode) == (b"\n", 0)


def test_a_start_without_a_manifest_writes_one_for_the_next(configured: Any) -> None:
    command = configured
    manifest = command.home / "handshake/mcp.json"
    hello = [*greeting("2025-11-25"), frame("tools/call", 1, name="llm_process_health", arguments={})]
    with command.start("serve", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for each in hello:
            process.stdin.write(each)
        process.stdin.flush()
        assert [json.loads(process.stdout.readline())["id"] for _ in range(2)] == [0, 1]
        while not manifest.exists():  # written beside the client's own business; a call at a time is a bounded wait
            process.stdin.write(frame("ping", 2))
            process.stdin.flush()
            assert process.stdout.readline()
        process.communicate(timeout=30)
    assert manifest.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(manifest.read_text())["results"]) == set(VERSIONS)


def test_changed_settings_are_read_before_anything_is_answered(primed: Any) -> None:
    (primed.home / "config.toml").write_text("quued = 1\n")
    done = primed.run("serve", stdin=b"".join(greeting("2025-11-25")))
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown key quued" in done.stderr


def test_a_manifest_that_is_no_longer_true_is_mended_when_a_client_that_needed_the_gateway_leaves(primed: Any) -> None:
    manifest = primed.home / "handshake/mcp.json"
    true = manifest.read_text()
    manifest.write_text(true.replace("Job status", "Yob status"))
    call = frame("tools/call", 2, name="llm_job_list", arguments={})
    assert b"Yob status" in answers(primed, *greeting("2025-11-25"), frame("tools/list", 1), call)[1]
    assert manifest.read_text() == true


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"key": [], "results": {}}', '{"results": 1}'])
def test_a_broken_manifest_is_no_obstacle(broken: str, primed: Any) -> None:
    (primed.home / "handshake/mcp.json").write_text(broken)
    assert json.loads(answers(primed, *greeting("2025-11-25"))[0])["result"]["serverInfo"]["name"] == "llm-gateway"


def test_a_client_that_leaves_after_the_first_answer_leaves_nothing_behind(primed: Any) -> None:
    assert len(answers(primed, greeting("2025-11-25")[0])) == 1


def test_no_value_of_a_variable_is_written_down(command: Any) -> None:
    command.run("serve", "--prime", LLM_GATEWAY_PROVIDERS_ECHO_DEFAULT_POSTURE="read_only", LLM_GATEWAY_LOG="ERROR")
    written = (command.home / "handshake/mcp.json").read_text()
    assert "ERROR" not in written
    assert str(os.environ.get("PATH")) not in written
