from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from llm_gateway import CostBasis, EndReason, EventKind, FinishedRun, Posture, Prompt, Request, Resume, RunEnd
from llm_gateway_provider_grok.failures import explain
from llm_gateway_provider_grok.output import GrokReader

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[[str], Recorded]
    Read = Callable[..., Any]

CHOSEN = "2f0d8a5e-9c7b-4b56-8f0b-0d3f6f5c1a11"
KINDS = (
    *("available_commands", "text", "thought", "tool_call", "tool_call_update", "usage", "max_turns_reached"),
    *("error", "end", "plan"),
)
NAMES = [
    *("data", "toolCallId", "toolName", "rawInput", "title", "status", "content", "message", "stopReason", "sessionId"),
    *("usage", "input_tokens", "total_cost_usd", "modelUsage", "outputTokens", "structuredOutput", "tool_name"),
]


def line(kind: str, **event: Any) -> bytes:
    return json.dumps({"type": kind, **event}, ensure_ascii=False).encode() + b"\n"


def end(stop: str = "end_turn", **more: Any) -> bytes:
    return line("end", stopReason=stop, sessionId="s-1", **more)


def test_lesson_88_the_id_is_reported_at_the_end_of_a_successful_run(recorded: Open) -> None:
    case = recorded("streaming-json")
    assert case.events[-1].kind is EventKind.SESSION
    assert case.events[-1].text == case.summary.native_id == "01a202a8-1ba1-7821-abdf-b1794c2285f9"


def test_an_answer_of_grok_does_not_contain_thoughts(recorded: Open) -> None:
    summary = recorded("streaming-json").summary
    assert (summary.text, summary.model, summary.failed) == ("x", "grok-4.6", False)


def test_trap_6_the_id_of_a_killed_run_is_the_chosen_one(recorded: Open) -> None:
    assert recorded("sigterm-streaming").summary.native_id == CHOSEN
    assert recorded("http429-streaming").summary.native_id == CHOSEN


@pytest.mark.parametrize("case", ["noauth-streaming", "bad-model-streaming", "session-id-exists", "unknown-flag"])
def test_without_a_session_there_is_no_id(case: str, recorded: Open) -> None:
    assert recorded(case).summary.native_id is None


def test_trap_9_input_tokens_do_not_include_cached_tokens(recorded: Open) -> None:
    usage = recorded("resume-id-streaming").summary.usage
    told = json.loads(recorded("resume-id-streaming").stdout.splitlines()[-1])["usage"]
    assert (usage.input_tokens, usage.cache_read_tokens) == (told["input_tokens"], told["cache_read_input_tokens"])
    assert told["total_tokens"] == told["input_tokens"] + told["cache_read_input_tokens"] + told["output_tokens"]


def test_lesson_79_tokens_are_not_counted_twice(recorded: Open) -> None:
    summary = recorded("max-turns-2-streaming").summary
    assert (summary.usage.input_tokens, summary.usage.cache_read_tokens) == (12_209, 16_515)
    assert summary.cost.usd == pytest.approx(0.0328435)
    assert summary.cost.basis is CostBasis.REPORTED


def test_without_a_last_line_the_tokens_are_those_of_the_responses(recorded: Open, read: Read) -> None:
    assert recorded("sigterm-streaming").summary.usage.output_tokens is None
    usage = {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 7}
    summary = read(line("usage", usage=usage) * 2 + line("error", message="x"), code=1)[1]
    assert (summary.usage.input_tokens, summary.usage.cache_read_tokens) == (10, 14)
    assert summary.cost.basis is CostBasis.UNKNOWN


def test_unreported_tokens_are_unknown_and_not_zero(read: Read) -> None:
    summary = read(line("text", data="x") + end())[1]
    assert summary.usage.input_tokens is None
    assert summary.cost.usd is None
    partial = read(line("text", data="x") + end(total_cost_usd=1.0, cost_is_partial=True))[1]
    assert partial.cost.basis is CostBasis.UNKNOWN


def test_trap_1_exit_0_does_not_mean_success(recorded: Open) -> None:
    for case in ("perm-default-write", "refusal-streaming", "mcp-call-default"):
        assert recorded(case).end.exit_code == 0
        assert recorded(case).summary.failed, case


def test_an_unknown_stop_reason_is_a_failure(read: Read) -> None:
    assert read(line("text", data="x") + end("tired"))[1].failed


def test_lesson_19_exit_0_without_a_last_line_is_a_failure(read: Read) -> None:
    assert read(line("text", data="half"))[1].failed


def test_trap_8_a_command_that_grok_executed_has_no_answer(recorded: Open) -> None:
    summary = recorded("slash-command").summary
    assert (summary.text, summary.failed, summary.usage.input_tokens) == ("", False, None)


def test_lesson_5_text_before_a_failure_is_kept(recorded: Open) -> None:
    assert recorded("sigterm-streaming").summary.text == "abcdefgh"
    assert recorded("dropped-streaming").summary.text == "half an ans"


def test_messages_before_and_after_a_tool_are_separate(read: Read) -> None:
    stream = line("text", data="let me ") + line("text", data="look") + line("tool_call", toolName="grep")
    stream += line("text", data="found") + end()
    assert read(stream)[1].text == "let me look\n\nfound"


def test_pieces_are_shown_as_lines_and_none_is_lost(read: Read) -> None:
    words = "first\nsecond " + "long " * 500 + "\n\nlast"
    stream = b"".join(line("text", data=words[at : at + 3]) for at in range(0, len(words), 3))
    events, summary, _ = read(stream + end())
    shown = [event.text for event in events if event.kind is EventKind.TEXT]
    assert "".join(shown) == summary.text == words
    assert shown[0] == "first\n"
    assert len(shown) < 10


def test_tools_of_grok_are_shown_on_one_line(recorded: Open) -> None:
    tools = [e.text for e in recorded("perm-always-approve-shellw").events if e.kind is EventKind.TOOL]
    assert tools == ["run_terminal_command touch made_by_shell"]
    assert [e.text for e in recorded("mcp-call-default").events if e.kind is EventKind.TOOL] == ["demo__ping"]


@pytest.mark.parametrize("case", ["perm-default-write", "perm-denyEdit-write"])
def test_a_denied_tool_of_grok_is_a_notice(case: str, recorded: Open) -> None:
    (notice,) = recorded(case).summary.notices
    assert (notice.code, notice.details) == ("permission_denied", {"tools": ["write"]})


def test_a_denied_call_that_the_model_received_is_not_a_failure(recorded: Open) -> None:
    assert not recorded("perm-denyEdit-write").summary.failed


def test_a_structured_answer_is_returned_and_an_invalid_one_is_a_notice(recorded: Open, read: Read) -> None:
    assert recorded("json-schema-streaming").summary.structured == {"name": "bob", "n": 42}
    summary = read(line("text", data="no") + end(structuredOutput=None, structuredOutputError="not JSON"))[1]
    assert summary.structured is None
    assert [notice.code for notice in summary.notices] == ["structured_output_failed"]


def test_the_model_with_the_most_output_is_reported(read: Read) -> None:
    used = {"small": {"outputTokens": 2}, "big": {"outputTokens": 90}, "odd": None}
    assert read(line("text", data="x") + end(modelUsage=used))[1].model == "big"


def test_lesson_12b_86_the_answer_after_3000_messages_is_correct(read: Read) -> None:
    one = line("text", data="line " + "x" * 500) + line("tool_call", toolName="grep")
    stream = one * 3_000 + line("text", data="the last word") + end()
    _, summary, _ = read(stream, list(range(65_536, len(stream), 65_536)))
    assert summary.text.endswith("\n\nthe last word")
    assert summary.text.count("line ") == 3_000


def test_lesson_11_pieces_of_40_megabytes_are_read_in_linear_time(read: Read) -> None:
    stream = line("text", data="x" * 10_000) * 4_000 + end()
    begun = time.process_time()
    summary = read(stream, list(range(65_536, len(stream), 65_536)))[1]
    assert len(summary.text) == 40_000_000
    assert time.process_time() - begun < 10


def test_lesson_12_every_cut_gives_the_same_text(read: Read) -> None:
    stream = line("text", data="größer 日本語 🎉") + end()
    whole = read(stream)
    for cut in range(len(stream)):
        assert read(stream, [cut])[:2] == whole[:2]


def test_recorded_runs_of_grok_give_the_same_summary_at_every_cut(recorded: Open, cases: list[str], read: Read) -> None:
    chance = random.Random(20261122)
    for case in cases:
        run = recorded(case)
        code = -run.end.signal if run.end.signal else run.end.exit_code
        for _ in range(5):
            cuts = [chance.randrange(len(run.stdout) + 1) for _ in range(12)]
            events, summary, _ = read(run.stdout, cuts, code)
            assert (events, summary) == (run.events, run.summary), case


@pytest.mark.parametrize(
    "noise", [b"not json\n", b"[1]\n", b"{\n", b'{"type":"tool_call"}\n', b"\xff\xfe\n", b'{"type":"end"'], ids=repr
)
def test_invalid_lines_of_grok_are_skipped(noise: bytes, read: Read) -> None:
    assert read(noise + b"\n" + line("text", data="fine") + end().rstrip())[1].text == "fine"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


@given(events=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1), max_size=4), data=st.data())
def test_no_event_of_grok_makes_the_reader_raise(events: list[dict[str, Any]], data: st.DataObject) -> None:
    kinds = st.sampled_from(KINDS)
    reader = GrokReader()
    list(reader.feed("stdout", b"".join(line(data.draw(kinds), **event) for event in events)))
    over = RunEnd(reason=EndReason.EXITED, exit_code=1, ended_at=datetime.now(timezone.utc))
    summary = reader.finish(over)
    request = Request(provider="grok", prompt=Prompt(text="x"), working_dir="/")
    explain(FinishedRun(request=request, posture=Posture.PLAN, resume=Resume(), end=over, summary=summary))
