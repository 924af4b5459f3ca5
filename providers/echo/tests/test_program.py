"""The program, run as the gateway runs it."""

import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import EventKind, McpServer, NativeSessionId
from llm_gateway_provider_echo.failures import explain
from llm_gateway_provider_echo.output import EchoReader

UNKNOWN = NativeSessionId("00000000-0000-4000-8000-000000000000")
CONTROLS = "".join(map(chr, range(1, 32)))


def facts(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def next_event(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """Wait for the next line, at most ten seconds."""
    assert process.stdout
    line = b""
    while not line.endswith(b"\n"):
        assert select.select([process.stdout], [], [], 10)[0], "no event within ten seconds"
        byte = os.read(process.stdout.fileno(), 1)
        assert byte, "the output ended"
        line += byte
    event: dict[str, Any] = json.loads(line)
    return event


# ------------------------------------------------------------------------------------------------------ prompt and answer


@pytest.mark.parametrize(
    "prompt",
    [
        "hello",
        "-flag",
        "--version",
        "/compact",
        "@etc/passwd",
        "resume",
        " \n two\r\nlines \n",
        CONTROLS,
        "€漢ก🙂\u2028",
        "\ud800",
    ],
    ids=["word", "dash", "option", "slash", "at", "command", "lines", "controls", "unicode", "surrogate"],
)
def test_lesson_78_the_answer_contains_the_prompt_unchanged(echo: Any, prompt: str) -> None:
    ran = echo.ask(prompt)
    assert (ran.code, ran.summary.failed, ran.summary.text) == (0, False, f"echo: {prompt}")


@pytest.mark.parametrize("letter", ["x", "\x01", "\n"], ids=["letters", "controls", "newlines"])
def test_lesson_22_the_answer_contains_a_prompt_of_10_mb(echo: Any, letter: str) -> None:
    prompt = letter * 10_000_000
    ran = echo.ask(prompt)
    assert not ran.summary.failed
    assert ran.summary.text == f"echo: {prompt}"


def test_the_session_event_lists_the_permissions(echo: Any) -> None:
    request = {
        "model": "echo-1-mini",
        "add_dirs": ("/a", "/b"),
        "allowed_tools": ("Read",),
        "disallowed_tools": ("Bash",),
        "mcp_servers": (McpServer(name="local", command="serve"),),
    }
    event = facts(echo.ask(request=request).stdout)[0]
    assert event["model"] == "echo-1-mini"
    assert event["settings"] == {
        "posture": "prompted",
        "workingDir": str(echo.folder),
        "addDirs": ["/a", "/b"],
        "allowedTools": ["Read"],
        "disallowedTools": ["Bash"],
        "mcpServers": ["local"],
    }


def test_an_unknown_flag_is_refused(echo: Any) -> None:
    done = echo.run("--zzz")
    assert done.returncode == 2
    assert b"unknown option" in done.stderr


@pytest.mark.parametrize("flags", [["--version"], ["--help"]], ids=["version", "help"])
def test_it_prints_version_and_help(echo: Any, flags: list[str]) -> None:
    done = echo.run(*flags)
    assert done.returncode == 0
    assert b"llm-gateway-echo" in done.stdout


def test_it_imports_few_modules() -> None:
    code = "import sys; old = set(sys.modules); import llm_gateway_provider_echo.agent; print(*set(sys.modules) - old)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )
    assert "llm_gateway_provider_echo.agent" in loaded
    assert not loaded & {"llm_gateway", "pydantic", "argparse", "typing", "subprocess", "uuid", "signal", "pathlib"}


# ----------------------------------------------------------------------------------------------------------- conversations


def test_lesson_88_the_chosen_id_is_known(echo: Any) -> None:
    ran = echo.ask()
    assert ran.summary.native_id == ran.finished.resume.native_id


def test_a_conversation_is_stored(echo: Any) -> None:
    first = echo.ask("my name is Ada").summary.native_id
    echo.ask("I live in London", resume=first)
    again = echo.ask("who am I?", resume=first, scenario="recall")
    assert again.summary.text == "my name is Ada\nI live in London"
    assert again.summary.native_id == first
    assert [facts(again.stdout)[0][name] for name in ("resumed", "turn")] == [True, 3]


def test_lesson_79_usage_counts_the_turn_and_the_cache_grows(echo: Any) -> None:
    first = echo.ask("x" * 400).summary
    second = echo.ask("x" * 400, resume=first.native_id).summary
    third = echo.ask("x" * 400, resume=first.native_id).summary
    assert (first.usage.input_tokens, first.usage.cache_read_tokens, first.usage.cache_creation_tokens) == (0, 0, 100)
    assert first.usage.output_tokens == second.usage.output_tokens == third.usage.output_tokens == 102
    assert (second.usage.cache_read_tokens, third.usage.cache_read_tokens) == (200, 404)
    assert third.cost.usd == pytest.approx(second.cost.usd, rel=0.1)


def test_an_expired_cache_is_written_again(echo: Any) -> None:
    first = echo.ask("x" * 400).summary
    (file,) = (echo.home / "sessions").iterdir()
    os.utime(file, (time.time() - 301, time.time() - 301))
    later = echo.ask("x" * 400, resume=first.native_id).summary
    assert later.usage.cache_read_tokens == 0
    assert later.usage.cache_creation_tokens == 300


def test_lesson_75_an_unknown_id_begins_no_conversation(echo: Any) -> None:
    ran = echo.ask(resume=UNKNOWN)
    failure = explain(ran.finished)
    assert ran.code == 1
    assert failure
    assert failure.code == "session_not_found"
    assert not list(echo.home.rglob("*.json"))


def test_an_id_is_never_used_twice(echo: Any) -> None:
    first = echo.ask().summary.native_id
    done = echo.run(f"--session-id={first}")
    assert (done.returncode, facts(done.stdout)[-1]["kind"]) == (1, "session_exists")


@pytest.mark.parametrize("flag", ["--resume=../../etc/passwd", "--resume=x", "--session-id=../x"])
def test_an_id_cannot_be_a_path(echo: Any, flag: str) -> None:
    done = echo.run(flag)
    assert done.returncode in (1, 2)
    assert not echo.home.exists()


def test_a_conversation_whose_first_turn_crashed_can_be_resumed(echo: Any) -> None:
    first = echo.ask(scenario="crash").summary.native_id
    assert echo.ask("again", resume=first).summary.text == "echo: again"


def test_lesson_47_only_the_owner_can_read_the_files(echo: Any) -> None:
    echo.ask()
    (file,) = (echo.home / "sessions").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_without_its_variable_it_uses_the_state_folder(echo: Any) -> None:
    del echo.env["LLM_GATEWAY_ECHO_HOME"]
    echo.env["XDG_STATE_HOME"] = str(echo.folder / "state")
    echo.ask()
    assert len(list((echo.folder / "state" / "llm-gateway-echo" / "sessions").iterdir())) == 1


# --------------------------------------------------------------------------------------------------------------- scenarios


@pytest.mark.parametrize(
    ("scenario", "exit_code", "code"),
    [
        ("auth", 1, "auth_required"),
        ("quota", 1, "quota_exhausted"),
        ("overloaded", 1, "overloaded"),
        ("bad_model", 1, "bad_model"),
        ("tool_denied", 1, "tool_denied"),
        ("error_exit0", 0, "provider_failed"),
        ("garbage", 0, "output_unreadable"),
        ("empty", 0, "empty_output"),
    ],
)
def test_lesson_19_every_failure_has_its_code(echo: Any, scenario: str, exit_code: int, code: str) -> None:
    ran = echo.ask(scenario=scenario)
    failure = explain(ran.finished)
    assert failure
    assert (ran.code, failure.code) == (exit_code, code)


def test_an_unknown_model_is_bad_model(echo: Any) -> None:
    failure = explain(echo.ask(request={"model": "echo-9"}).finished)
    assert failure
    assert failure.code == "bad_model"
    assert failure.provider_message == "model 'echo-9' does not exist; known: echo-1, echo-1-mini"


def test_a_quota_error_has_a_reset_time(echo: Any) -> None:
    failure = explain(echo.ask(scenario="quota", amount=60).finished)
    assert failure
    assert failure.reset_at
    assert 0 < failure.reset_at.timestamp() - time.time() <= 61


@pytest.mark.parametrize(("scenario", "kept"), [("crash", ""), ("crash_after_text", "echo: hello")])
def test_lesson_5_a_crash_keeps_the_text(echo: Any, scenario: str, kept: str) -> None:
    ran = echo.ask(scenario=scenario)
    assert (ran.code, ran.summary.failed, ran.summary.text) == (3, True, kept)
    assert "died away" in ran.stderr


def test_lesson_12_multibyte_characters_survive_odd_writes(echo: Any) -> None:
    text = echo.ask(scenario="odd_writes", amount=307_200).summary.text
    assert text == "€漢ก" * 102_400


def test_lesson_86_the_answer_is_correct_after_3000_events(echo: Any) -> None:
    ran = echo.ask("last", scenario="steps", amount=3000)
    assert ran.stdout.count(b"\n") == 2 * 3000 + 4
    assert ran.summary.text == "echo: last"


def test_lesson_11b_ten_million_letters_in_one_line_are_read(echo: Any) -> None:
    text = echo.ask(scenario="long_line").summary.text
    assert (len(text), " " in text) == (10_000_000, False)


def test_lesson_10_a_flood_ends_with_a_short_answer(echo: Any) -> None:
    ran = echo.ask(scenario="flood", amount=20_000_000)
    assert len(ran.stdout) >= 20_000_000
    assert ran.summary.text == "flood: 20000000 bytes"


def test_noise_on_stderr_is_not_a_failure(echo: Any) -> None:
    ran = echo.ask(scenario="noisy", amount=5)
    assert (ran.summary.failed, ran.stderr.count("\n")) == (False, 5)


def test_lesson_45_it_shows_its_environment(echo: Any) -> None:
    shown = json.loads(echo.ask("PATH LLM_GATEWAY_ECHO_HOME NOT_THERE", scenario="env").summary.text)
    assert set(echo.env) <= set(shown["names"])
    assert shown["values"] == {name: echo.env[name] for name in ("PATH", "LLM_GATEWAY_ECHO_HOME")}


def test_lesson_15_silent_prints_nothing_before_its_end(start: Any) -> None:
    process = start("--scenario=silent", "--delay-ms=300")
    begun = time.monotonic()
    next_event(process)
    assert time.monotonic() - begun > 0.25


# ----------------------------------------------------------------------------------------------------------------- signals


def test_lesson_1_output_after_sigterm_is_read(start: Any) -> None:
    process = start("--scenario=hang", "--on-term=flush")
    assert next_event(process)["type"] == "session"
    process.terminate()
    assert next_event(process) == {"type": "text", "text": "flushed: last words after SIGTERM"}
    assert process.wait(10) == 143


def test_hang_ends_on_sigterm(start: Any) -> None:
    process = start("--scenario=hang")
    next_event(process)
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM


def test_hang_can_ignore_sigterm(start: Any) -> None:
    process = start("--scenario=hang", "--on-term=ignore")
    next_event(process)
    process.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_lesson_73_a_detached_process_outlives_it_and_ignores_sigterm(start: Any) -> None:
    process = start("--scenario=detach")
    reader, child, heard = EchoReader(), 0, 0
    while not (child and heard and process.poll() == 0):
        event = next_event(process)
        told = reader.feed("stdout", json.dumps(event).encode() + b"\n")
        child = child or next((int(e.text.rpartition(" ")[2]) for e in told if e.kind is EventKind.TOOL), 0)
        heard += event.get("text", "").startswith("still here")
    assert os.getsid(child) == child
    os.kill(child, signal.SIGTERM)
    for _ in range(5):
        assert next_event(process)["text"].startswith("still here")
    os.kill(child, signal.SIGKILL)
    process.stdout.read()  # until the end of the output, when the last writer has exited
