"""The handshake cache of `llm-gateway serve`: the second start answers before the gateway is imported, and says the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
    *("difflib", "genai_prices", "importlib_metadata", "rich", "tomlkit", "zipp"),
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
def primed(command: Any) -> Any:
    done = command.run("serve", "--prime")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return command


@pytest.mark.parametrize("version", VERSIONS)
def test_both_ways_say_the_same_byte_for_byte(version: str, primed: Any) -> None:
    asked = [*greeting(version), frame("ping", "p")]
    asked += [frame(method, number) for number, method in enumerate(LISTS, 1)]
    asked += [frame("tools/call", 9, name="llm_job_list", arguments={}), frame("tools/list", 10)]
    quick = answers(primed, *asked)
    (primed.home / "handshake/mcp.json").unlink()
    assert answers(primed, *asked) == quick
    assert [json.loads(line)["id"] for line in quick] == [0, "p", 1, 2, 3, 4, 9, 10]


def test_a_client_of_the_newest_protocol_is_answered_by_the_sdk_alone(primed: Any) -> None:
    asked = [frame("server/discover", 1, _meta=MODERN), frame("tools/list", 2, _meta=MODERN)]
    quick = answers(primed, *asked)
    (primed.home / "handshake/mcp.json").unlink()
    assert answers(primed, *asked) == quick
    assert "result" in json.loads(quick[0])


def test_the_first_answer_comes_from_a_process_that_has_imported_next_to_nothing(primed: Any) -> None:
    begin = "from llm_gateway.cli import _start_handshake_cache; _start_handshake_cache([])"
    with subprocess.Popen(
        [sys.executable, "-c", f"{begin}; {LOOK}"],
        env=primed.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        out, err = process.communicate(greeting("2025-11-25")[0], timeout=20)
    assert json.loads(out)["id"] == 0
    assert err == b"re enum\n", "json needs them"


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


def test_a_start_without_a_manifest_writes_one_for_the_next(command: Any) -> None:
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


def test_a_manifest_that_is_no_longer_true_is_mended_when_its_client_leaves(primed: Any) -> None:
    manifest = primed.home / "handshake/mcp.json"
    true = manifest.read_text()
    manifest.write_text(true.replace("Job status", "Yob status"))
    assert b"Yob status" in answers(primed, *greeting("2025-11-25"), frame("tools/list", 1))[1]
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
