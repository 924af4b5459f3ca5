from __future__ import annotations

import json
import random
import shlex
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import EndReason, EventKind, FinishedRun, Posture, Prompt, Request, Resume, RunEnd
from llm_gateway_provider_codex.failures import explain
from llm_gateway_provider_codex.output import CodexReader

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[..., Recorded]
    Read = Callable[..., Any]

# fmt: off
NAMES = [
    "item", "id", "text", "message", "error", "status", "usage", "thread_id", "command", "aggregated_output", "exit_code",
    "changes", "path", "kind", "server", "tool", "query", "input_tokens", "type",
]
# fmt: on
THREAD = {"type": "thread.started", "thread_id": "01a20495-379d-7a81-ba34-b17f7b5b50e3"}
DONE = {"type": "turn.completed", "usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 2}}

QUOTED = "echo 'it' | grep it"


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)


def said(text: str) -> dict[str, Any]:
    return {"type": "item.completed", "item": {"id": "item_1", "type": "agent_message", "text": text}}


def answer(text: str) -> bytes:
    return lines(THREAD, {"type": "turn.started"}, said(text), DONE)


def ran(output: str, code: int) -> dict[str, Any]:
    item = {"id": "i", "type": "command_execution", "command": "/bin/bash -lc 'ls'", "aggregated_output": output}
    return {"type": "item.completed", "item": {**item, "exit_code": code, "status": "failed" if code else "completed"}}


def test_lesson_88_the_id_of_a_new_run_is_reported_at_once_and_in_the_summary(recorded: Open) -> None:
    case = recorded("json")
    assert case.events[0].kind is EventKind.SESSION
    assert case.events[0].text == case.summary.native_id
    assert not case.summary.failed


def test_the_last_of_several_messages_is_the_answer(recorded: Open) -> None:
    case = recorded("two-messages")
    texts = [event.text for event in case.events if event.kind is EventKind.TEXT]
    assert len(texts) == 2
    assert case.summary.text == texts[-1] != texts[0]


def test_lesson_19_a_turn_without_a_message_has_an_empty_text(recorded: Open) -> None:
    case = recorded("ok-empty-output")
    assert (case.end.exit_code, case.summary.text, case.summary.failed) == (0, "", False)


def test_lesson_19_exit_0_without_the_end_of_a_turn_is_a_failure(read: Read) -> None:
    _, summary, _ = read(lines(THREAD, said("half an answer")))
    assert summary.failed
    assert summary.text == "half an answer"


def test_trap_4_retries_and_warnings_are_not_failures(recorded: Open) -> None:
    case = recorded("retry-429-twice")
    assert not case.summary.failed
    assert case.summary.run.retries == 2
    assert next(e.text for e in case.events if e.kind is EventKind.STATUS).startswith("Reconnecting... 1/5")
    warned = recorded("resume-model-inherit").summary
    assert not warned.failed
    assert [notice.code for notice in warned.notices] == ["provider_warning"]
    assert "is resuming with" in warned.notices[0].message


def test_a_tool_is_shown_once_at_its_start(recorded: Open) -> None:
    tools = [e.text for e in recorded("tool-default").events if e.kind is EventKind.TOOL]
    assert tools == ["echo hi; id -u; pwd"]
    item = {**ran("", 0)["item"], "command": f"/bin/bash -lc {shlex.quote(QUOTED)}"}
    assert [e.text for e in CodexReader().feed("stdout", lines({"type": "item.started", "item": item}))] == [QUOTED]
    assert next(e.text for e in recorded("patch-ww").events if e.kind is EventKind.TOOL).startswith("add ")
    assert [e.text for e in recorded("mcp-ro_tool-default").events if e.kind is EventKind.TOOL] == ["mcp__t__ro_tool"]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("escalate-ro", "you cannot ask for escalated permissions"),
        ("patch-outside-ww", "writing outside of the project"),
        ("rm-f-bypass", "rm -f style commands are not permitted"),
        ("mcp-plain-ww", "mcp__t__plain_tool"),
    ],
)
def test_trap_8_9_a_refused_call_is_a_notice_and_not_a_failure(case: str, words: str, recorded: Open) -> None:
    summary = recorded(case).summary
    assert not summary.failed
    (notice,) = summary.notices
    assert notice.code == "permission_denied"
    assert words in str(notice.details["tools"])


def test_a_command_that_a_reviewer_declined_is_a_notice(recorded: Open) -> None:
    assert "permission_denied" in [notice.code for notice in recorded("escalate-afm-deny").summary.notices]


def test_a_server_that_did_not_start_is_a_notice(read: Read) -> None:
    told = b'2026-11-22T18:48:02Z  WARN codex_mcp::rmcp_client: MCP server startup failed server_name="b" error=No such file\n'
    summary = read(answer("x"), stderr=told)[1]
    assert [notice.details for notice in summary.notices] == [{"servers": {"b": "No such file"}}]
    assert summary.notices[0].code == "mcp_server_failed"


@pytest.mark.parametrize("case", ["no-userns-workspace-write", "no-userns-read-only"])
def test_lesson_84_trap_15_a_run_whose_commands_all_lack_a_sandbox_has_failed(case: str, recorded: Open) -> None:
    run = recorded(case)
    assert run.end.exit_code == 0
    assert run.summary.failed
    assert [notice.code for notice in run.summary.notices] == ["sandbox_unavailable"]
    failure = explain(run.finished())
    assert failure
    assert "sandbox" in failure.message
    assert failure.recovery
    assert (failure.provider_message or "").startswith("bwrap: Creating new namespace failed")


def test_lesson_84_a_failure_of_the_sandbox_is_not_a_failure_of_the_command(read: Read) -> None:
    """Measured with a TMPDIR that does not exist."""
    words = (
        "\nthread 'main' (20951) panicked at linux-sandbox/src/linux_run_main.rs:976:17:\nfailed to resolve it\nnote: x"
    )
    summary = read(lines(THREAD, {"type": "turn.started"}, ran(words, 101), said("x"), DONE))[1]
    assert summary.failed
    assert "failed to resolve it" in summary.notices[0].message


def test_lesson_84_a_sandbox_that_failed_once_is_only_a_notice(read: Read) -> None:
    stream = lines(THREAD, {"type": "turn.started"}, ran("bwrap: no\n", 1), ran("fine\n", 0), said("x"), DONE)
    summary = read(stream)[1]
    assert not summary.failed
    assert [notice.code for notice in summary.notices] == ["sandbox_unavailable"]


def test_a_failing_command_is_not_a_failure_of_the_sandbox(recorded: Open) -> None:
    assert recorded("tool-fail").summary.notices == ()


def test_a_command_that_still_runs_at_the_end_is_not_a_failure(recorded: Open) -> None:
    assert not recorded("tool-long-yield").summary.failed


SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "k": {"enum": ["a", "b"]},
        "l": {"type": "array", "items": {"type": "null"}},
    },
    "required": ["n"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("value", [{"n": 3}, {"n": 3, "k": "a"}, {"n": 0, "l": [None]}], ids=str)
def test_an_answer_that_follows_the_schema_is_returned(value: object, read: Read) -> None:
    assert read(answer(json.dumps(value)), schema=SCHEMA)[1].structured == value


@pytest.mark.parametrize(
    "value",
    [{}, {"n": "3"}, {"n": True}, {"n": 3, "k": "c"}, {"n": 3, "m": 1}, {"n": 3, "l": [1]}, [], 3, None],
    ids=str,
)
def test_an_answer_that_violates_the_schema_gives_none(value: object, read: Read) -> None:
    assert read(answer(json.dumps(value)), schema=SCHEMA)[1].structured is None


def test_plain_text_gives_no_structured_answer(recorded: Open) -> None:
    assert recorded("schema-violated", schema=SCHEMA).summary.structured is None


def test_trap_14_a_line_of_two_megabytes_is_read(read: Read) -> None:
    stream = lines(THREAD, ran("x" * 2_000_000, 0), said("after it"), DONE)
    assert read(stream, list(range(65_536, len(stream), 65_536)))[1].text == "after it"


def test_lesson_12b_86_the_answer_after_3000_events_is_correct(read: Read) -> None:
    stream = lines(THREAD, *(said(f"line {n} " + "x" * 500) for n in range(3_000)), said("the last word"), DONE)
    events, summary, _ = read(stream, list(range(65_536, len(stream), 65_536)))
    assert summary.text == "the last word"
    assert len([e for e in events if e.kind is EventKind.TEXT]) == 3_001


def test_lesson_11_a_stream_of_40_megabytes_is_read_in_linear_time(read: Read) -> None:
    stream = lines(ran("x" * 10_000, 0)) * 4_000 + answer("end")
    begun = time.process_time()
    assert read(stream, list(range(65_536, len(stream), 65_536)))[1].text == "end"
    assert time.process_time() - begun < 10


def test_lesson_12_every_cut_gives_the_same_answer(read: Read) -> None:
    stream = answer("größer 日本語 🎉")
    whole = read(stream)
    assert whole[1].text == "größer 日本語 🎉"
    for cut in range(len(stream)):
        assert read(stream, [cut])[:2] == whole[:2]


def test_recorded_runs_give_the_same_summary_at_every_cut(recorded: Open, cases: list[str], read: Read) -> None:
    chance = random.Random(20261122)
    for case in cases:
        run = recorded(case)
        for _ in range(5):
            cuts = [chance.randrange(len(run.stdout) + 1) for _ in range(12)]
            events, summary, _ = read(run.stdout, cuts, run.end.exit_code or 0, stderr=run.stderr)
            assert (events, summary.text, summary.usage) == (run.events, run.summary.text, run.summary.usage), case


@pytest.mark.parametrize(
    "noise",
    [b"not json\n", b"[1]\n", b"{\n", b'{"type":"item.completed"}\n', b"\xff\xfe\n", b'{"type":"error"'],
    ids=repr,
)
def test_invalid_lines_are_skipped(noise: bytes, read: Read) -> None:
    assert read(noise + b"\n" + answer("fine"))[1].text == "fine"


def test_a_last_line_without_a_line_break_is_read(read: Read) -> None:
    assert not read(answer("fine").rstrip())[1].failed


def test_a_gap_loses_one_line(read: Read) -> None:
    reader = CodexReader()
    stream = answer("fine")
    list(reader.feed("stdout", b'{"type":"item.compl'))
    reader.gap("stdout")
    list(reader.feed("stdout", b"half a line\n" + stream))
    end = RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=datetime.now(timezone.utc))
    assert reader.finish(end).text == "fine"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)
# fmt: off
KINDS = st.sampled_from(["thread.started", "turn.started", "turn.completed", "turn.failed", "error", "item.started", "item.completed"])
ITEMS = st.sampled_from(["agent_message", "error", "command_execution", "file_change", "mcp_tool_call", "web_search"])
# fmt: on


@given(events=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1), max_size=4), data=st.data())
def test_no_event_makes_the_reader_raise(events: list[dict[str, Any]], data: st.DataObject) -> None:
    stream = b""
    for event in events:
        if isinstance(event.get("item"), dict):
            event["item"]["type"] = data.draw(ITEMS)
        stream += lines({**event, "type": data.draw(KINDS)})
    reader = CodexReader({"type": "object"})
    list(reader.feed("stdout", stream))
    end = RunEnd(reason=EndReason.EXITED, exit_code=1, ended_at=datetime.now(timezone.utc))
    summary = reader.finish(end)
    request = Request(provider="codex", prompt=Prompt(text="x"), working_dir="/")
    explain(FinishedRun(request=request, posture=Posture.PLAN, resume=Resume(), end=end, summary=summary))
