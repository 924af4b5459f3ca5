from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import EndReason, EventKind, FinishedRun, McpServer, Posture, Prompt, Request, Resume, RunEnd, Usage
from llm_gateway_provider_gemini.gemini_cli.output import IN_FORCE, GeminiReader
from llm_gateway_provider_gemini.plugin import GeminiProvider

PROVIDER = GeminiProvider()

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[[str], Recorded]
    Read = Callable[..., Recorded]

ID = "534fb3f9-7a00-4fc7-924d-44040a16ba70"
NAMES = [
    "content",
    "role",
    "session_id",
    "tool_name",
    "tool_id",
    "error",
    "status",
    "stats",
    "models",
    "message",
    "type",
]
STATS = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 7, "cached": 12, "input": 8}


def line(**event: Any) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"


def said(text: str) -> bytes:
    return line(type="message", role="assistant", content=text, delta=True)


def used(tool: str, number: int = 1) -> bytes:
    return line(type="tool_use", tool_name=tool, tool_id=f"t{number}", parameters={"file_path": "a.txt"})


def ended(status: str = "success", **more: Any) -> bytes:
    return line(type="result", status=status, stats={**STATS, "models": {"m": STATS}}, **more)


INIT = line(type="init", session_id=ID, model="flash")


def test_a_recorded_answer_is_read(recorded: Open) -> None:
    run = recorded("stream-json")
    assert run.summary.text
    assert not run.summary.failed
    assert run.summary.model == "gemini-3.8-flash"
    assert run.events[0].kind is EventKind.SESSION
    assert run.summary.native_id == run.events[0].text


def test_lesson_88_a_failed_run_reports_its_id(recorded: Open) -> None:
    assert recorded("auth401-stream-json").summary.native_id == "d811d16d-0688-418b-bdc4-2123a3e1136f"


def test_tokens_are_those_of_the_run_and_cached_tokens_are_separate(recorded: Open) -> None:
    assert recorded("resume-by-id-stream").summary.usage == Usage(
        input_tokens=48, output_tokens=28, cache_read_tokens=7778, reasoning_tokens=0
    )


def test_trap_19_thoughts_are_the_rest_of_the_total(recorded: Open) -> None:
    usage = recorded("stream-json-thinking").summary.usage
    assert (usage.output_tokens, usage.reasoning_tokens, usage.input_tokens) == (40, 37, 7780)


def test_tokens_of_a_failed_run_are_unknown_and_not_zero(recorded: Open) -> None:
    assert recorded("auth401-stream-json").summary.usage == Usage()


def test_tokens_spent_before_a_limit_are_counted(recorded: Open) -> None:
    assert recorded("max-turns-stream-json").summary.usage.cache_read_tokens == 24_411


def test_the_answer_is_the_text_after_the_last_tool(read: Read) -> None:
    run = read(INIT + said("I will ") + said("look.") + used("read_file") + said("It is ") + said("fine.") + ended())
    assert run.summary.text == "It is fine."
    assert [event.text for event in run.events if event.kind is EventKind.TOOL] == ["read_file a.txt"]


def test_without_text_after_the_last_tool_the_earlier_text_is_the_answer(read: Read) -> None:
    assert read(INIT + said("Done so far.") + used("write_file") + ended()).summary.text == "Done so far."


def test_text_before_a_failure_is_kept(recorded: Open) -> None:
    run = recorded("drop-stream-json")
    assert (run.summary.text, run.summary.failed) == ("one two ", True)


def test_trap_16_denied_tools_are_a_notice(recorded: Open) -> None:
    run = recorded("tool-shell-auto_edit")
    assert [notice.code for notice in run.summary.notices][:1] == ["permission_denied"]
    assert run.summary.notices[0].details == {"tools": ["run_shell_command"]}


def test_a_path_outside_is_a_denial(recorded: Open) -> None:
    assert recorded("dirs-write-outside-yolo").summary.notices[0].details == {"tools": ["write_file"]}


def test_trap_15_unread_rules_are_a_failure(recorded: Open) -> None:
    run = recorded("policy-broken")
    assert run.summary.failed
    assert run.summary.failure["category"] == "rules"


def test_a_server_that_did_not_start_is_a_notice(read: Read) -> None:
    servers = (McpServer(name="search", command="x"),)
    run = read(INIT + said("x") + ended(), b"MCP issues detected. Run /mcp list for status.\n", mcp_servers=servers)
    assert [notice.details for notice in run.summary.notices if notice.code == "mcp_server_failed"] == [
        {"servers": ["search"]}
    ]


def test_unread_settings_are_a_notice(read: Read) -> None:
    assert "settings_not_in_force" in [n.code for n in read(INIT + said("x") + ended()).summary.notices]
    assert read(INIT + said("x") + ended(), IN_FORCE.encode() + b"\n").summary.notices == ()


def test_a_retry_is_an_event(recorded: Open) -> None:
    run = recorded("overload-recover-stream-json")
    assert "attempt 1 failed (503)" in [event.text for event in run.events]
    assert (run.summary.run.retries, recorded("rate429-stream-json").summary.run.retries) == (1, 1)
    assert not run.summary.failed


@pytest.mark.parametrize("case", ["sigterm-norelaunch", "sigkill-group-in-tool"])
def test_traps_3_and_4_a_run_without_a_result_has_failed_with_any_exit_code(case: str, recorded: Open) -> None:
    run = recorded(case)
    assert run.summary.failed or run.end.exit_code != 0
    assert run.summary.native_id


def test_a_prompt_beyond_the_context_is_not_an_empty_success(read: Read) -> None:
    nothing = line(type="result", status="success", stats={"total_tokens": 0, "models": {}})
    assert read(INIT + nothing).summary.failure["category"] == "overflow"


def test_a_loop_is_a_failure(read: Read) -> None:
    stop = line(type="error", severity="warning", message="Loop detected, stopping execution")
    summary = read(INIT + said("again") + stop + ended()).summary
    assert (summary.failure["category"], summary.text) == ("loop", "again")


def test_an_echo_of_the_prompt_is_not_the_answer(read: Read) -> None:
    assert read(INIT + line(type="message", role="user", content="mine") + said("x") + ended()).summary.text == "x"


def test_the_model_with_the_most_tokens_is_reported(read: Read) -> None:
    models = {"small": {"total_tokens": 5}, "large": {"total_tokens": 50}}
    stats = line(type="result", status="success", stats={**STATS, "models": models})
    assert read(INIT + said("x") + stats).summary.model == "large"


def test_lesson_12b_86_the_answer_of_gemini_after_3000_events_is_correct(read: Read) -> None:
    stream = INIT + b"".join(said(f"{n} ") + used("read_file", n) for n in range(3_000)) + said("the end") + ended()
    run = read(stream, cuts=list(range(65_536, len(stream), 65_536)))
    assert run.summary.text == "the end"
    assert len([event for event in run.events if event.kind is EventKind.TOOL]) == 3_000


def test_lesson_11_a_stream_of_gemini_of_40_megabytes_is_read_in_linear_time(read: Read) -> None:
    stream = INIT + said("x" * 10_000) * 4_000 + ended()
    begun = time.process_time()
    assert len(read(stream, cuts=list(range(65_536, len(stream), 65_536))).summary.text) == 40_000_000
    assert time.process_time() - begun < 10


def test_lesson_12_every_cut_gives_the_same_text(read: Read) -> None:
    stream = INIT + said("größer 日本語 🎉") + ended()
    whole = read(stream)
    for cut in range(len(stream)):
        run = read(stream, cuts=[cut])
        assert (run.events, run.summary) == (whole.events, whole.summary)


def test_recorded_runs_of_gemini_give_the_same_summary_at_every_cut(
    recorded: Open, cases: list[str], read: Read
) -> None:
    chance = random.Random(20261122)
    for case in cases:
        run = recorded(case)
        code = run.end.exit_code if run.end.exit_code is not None else -(run.end.signal or 0)
        for cuts in [[chance.randrange(len(run.stdout) + 1) for _ in range(12)], list(range(0, len(run.stdout), 7))]:
            again = read(run.stdout, run.stderr, cuts, code)
            assert (again.events, again.summary) == (run.events, run.summary), case


@pytest.mark.parametrize("noise", [b"not json\n", b"[1]\n", b"{\n", b"\xff\xfe\n", b'{"type":"result"'], ids=repr)
def test_invalid_lines_of_gemini_are_skipped(noise: bytes, read: Read) -> None:
    assert read(noise + b"\n" + INIT + said("fine") + ended()).summary.text == "fine"


def test_after_a_gap_the_next_complete_line_is_read() -> None:
    reader = GeminiReader()
    list(reader.feed("stdout", INIT + b'{"type":"message","role":"assi'))
    reader.gap("stdout")
    events = list(reader.feed("stdout", b'stant"}\n' + said("fine")))
    assert [event.text for event in events] == ["fine"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


@given(events=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1), max_size=4), data=st.data())
def test_no_event_of_gemini_makes_the_reader_raise(events: list[dict[str, Any]], data: st.DataObject) -> None:
    kinds = st.sampled_from(["init", "message", "tool_use", "tool_result", "error", "result"])
    stream = b"".join(line(**{**event, "type": data.draw(kinds)}) for event in events)
    reader = GeminiReader()
    list(reader.feed("stdout", stream))
    end = RunEnd(reason=EndReason.EXITED, exit_code=1, ended_at=datetime.now(timezone.utc))
    request = Request(provider="gemini", prompt=Prompt(text="x"), working_dir="/")
    summary = reader.finish(end)
    PROVIDER.explain_failure(
        FinishedRun(request=request, posture=Posture.PLAN, resume=Resume(), end=end, summary=summary)
    )
