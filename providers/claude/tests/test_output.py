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
from llm_gateway_provider_claude.failures import explain
from llm_gateway_provider_claude.output import ClaudeReader

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[[str], Recorded]
    Read = Callable[..., Any]

NAMES = [
    *(
        "subtype",
        "is_error",
        "result",
        "errors",
        "message",
        "content",
        "text",
        "name",
        "input",
        "model",
        "error",
        "type",
    ),
    *("permission_denials", "usage", "modelUsage", "model_usage_since_last_result", "costUSD", "inputTokens", "status"),
    *("session_id", "mcp_servers", "api_error_status", "parent_tool_use_id", "structured_output", "terminal_reason"),
]
ONE_MODEL = {"inputTokens": 10, "outputTokens": 2, "cacheReadInputTokens": 100, "cacheCreationInputTokens": 5}


def line(**event: Any) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"


def said(text: str, **more: Any) -> bytes:
    message = {"id": "m", "model": "claude-x", "content": [{"type": "text", "text": text}]}
    return line(type="assistant", message=message, parent_tool_use_id=None, **more)


def result(text: str = "done", **more: Any) -> bytes:
    event = {"type": "result", "subtype": "success", "is_error": False, "result": text, "session_id": "s-1", **more}
    return line(**event)


def test_lesson_88_the_id_of_a_new_run_is_reported_at_once_and_in_the_summary(recorded: Open) -> None:
    case = recorded("stream_json")
    assert case.events[0].kind is EventKind.SESSION
    assert case.events[0].text == case.summary.native_id == "ec397853-6ceb-4647-942c-f86989cf2a76"


def test_a_plain_answer_is_read(recorded: Open) -> None:
    summary = recorded("stream_json").summary
    assert (summary.text, summary.model, summary.failed) == ("hello world", "claude-opus-5-5", False)
    assert (summary.usage.cache_read_tokens, summary.usage.output_tokens) == (12268, 9)
    assert summary.cost.usd == pytest.approx(0.0026336)
    assert summary.cost.basis is CostBasis.REPORTED


def test_partial_messages_do_not_change_the_answer(recorded: Open) -> None:
    assert recorded("stream_json_partial").summary.text == "hello world"
    assert recorded("thinking_stream").summary.text == "thought about it"


def test_the_model_that_answered_is_named_after_a_fallback(recorded: Open) -> None:
    case = recorded("fallback_model_stream")
    assert case.summary.model == "claude-sonnet-5-5"
    assert [e.text for e in case.events if e.kind is EventKind.STATUS] == [
        "retry 1 of 10 after overloaded (529)",
        "retry 2 of 10 after overloaded (529)",
        "model busy-model -> claude-sonnet-5-5 (overloaded)",
    ]


def test_tools_are_shown_on_one_line(recorded: Open) -> None:
    tools = [e.text for e in recorded("base_call").events if e.kind is EventKind.TOOL]
    assert tools == ["Write $WORK/base.txt"]


def test_a_denied_tool_is_a_notice_and_not_a_failure(recorded: Open) -> None:
    summary = recorded("mcp_config_default_mode").summary
    assert not summary.failed
    assert [notice.code for notice in summary.notices] == ["permission_denied"]
    assert summary.notices[0].details == {"tools": ["mcp__tsrv__ping"]}


def test_a_server_that_did_not_start_is_a_notice(recorded: Open) -> None:
    assert recorded("mcp_server_dead").summary.notices[0].details == {"servers": {"dead": "failed"}}


def test_structured_output_is_returned_and_its_absence_is_none(recorded: Open) -> None:
    assert recorded("json_schema_ok_stream").summary.structured == {"name": "a", "n": 3}
    assert recorded("json_schema_model_ignores").summary.structured is None


def test_lesson_19_an_empty_answer_gives_an_empty_text(recorded: Open) -> None:
    assert recorded("fail_empty_stream").summary.text == ""


def test_lesson_19_exit_0_with_an_error_event_is_a_failure(recorded: Open) -> None:
    case = recorded("sig_sigint_streaming")
    assert case.end.exit_code == 0
    assert case.summary.failed


def test_lesson_19_exit_0_without_a_result_is_a_failure(read: Read) -> None:
    _, summary, _ = read(said("half an answer"))
    assert summary.failed
    assert summary.text == "half an answer"


def test_lesson_5_text_before_a_failure_is_kept(recorded: Open) -> None:
    assert recorded("sig_sigint_streaming").summary.text == "chunk00 chunk01 "


def test_lesson_5_the_message_of_a_failure_is_not_an_answer(recorded: Open) -> None:
    assert recorded("fail_rate_stream").summary.text == ""


def test_all_results_of_a_run_form_the_answer(recorded: Open) -> None:
    summary = recorded("control_session").summary
    assert summary.text == "one\n\ntwo\n\nthree"
    assert summary.usage.cache_creation_tokens == 12415 + 22 + 13030
    assert summary.cost.usd == pytest.approx(0.0812755)


def test_a_repeated_result_is_in_the_answer_once(recorded: Open) -> None:
    case = recorded("background_bash_stream")
    assert case.summary.text.count("Command running in background") == 1
    assert case.summary.usage.output_tokens == 131 + 77


def test_lesson_79_a_resumed_turn_counts_only_itself(recorded: Open) -> None:
    summary = recorded("resume_model_sticky").summary
    assert summary.usage.output_tokens == 7
    assert summary.usage.cache_creation_tokens == 21
    assert summary.cost.usd == pytest.approx(0.0013584)


def test_lesson_79_three_equal_turns_cost_the_same(read: Read) -> None:
    costs = []
    for turn in (1, 2, 3):
        grown = {"claude-x": {name: count * turn for name, count in ONE_MODEL.items()} | {"costUSD": 0.5 * turn}}
        own = {"claude-x": {**ONE_MODEL, "costUSD": 0.5}}
        stream = result(modelUsage=grown, total_cost_usd=0.5 * turn, model_usage_since_last_result=own)
        costs.append(read(stream)[1].cost.usd)
    assert costs == [0.5, 0.5, 0.5]


def test_lesson_79_without_a_delta_the_total_is_used_only_for_the_first_run(
    recorded: Open,
) -> None:
    alone = recorded("usage_multi_turn").summary
    assert alone.usage.cache_read_tokens == 37626
    assert alone.cost.usd == pytest.approx(0.0736652)
    with_others = recorded("subagent_json").summary
    assert with_others.cost.basis is CostBasis.UNKNOWN


def test_a_killed_run_has_unknown_usage(recorded: Open) -> None:
    summary = recorded("sig_sigterm_streaming").summary
    assert summary.usage.output_tokens is None
    assert summary.native_id


def test_a_recovered_error_is_not_the_cause_of_a_later_failure(read: Read) -> None:
    inner = line(type="assistant", message={}, parent_tool_use_id="t1", error="rate_limit")
    outer = line(type="assistant", message={}, parent_tool_use_id=None, error="rate_limit")
    ended = result(is_error=True, subtype="error_max_turns", terminal_reason="max_turns")
    for stream in (inner + ended, outer + said("on it") + ended):
        assert "rate_limit" not in read(stream)[1].failure["kinds"]


def test_the_text_of_a_sub_agent_is_not_the_answer(read: Read) -> None:
    inner = {"model": "claude-small", "content": [{"type": "text", "text": "inner"}]}
    stream = said("outer") + line(type="assistant", message=inner, parent_tool_use_id="t1")
    events, summary, _ = read(stream)
    assert [e.text for e in events] == ["outer"]
    assert (summary.text, summary.model) == ("outer", "claude-x")


def test_lesson_12b_86_the_answer_after_3000_events_is_correct(read: Read) -> None:
    stream = b"".join(said(f"line {n} " + "x" * 500) for n in range(3_000)) + result("the last word")
    events, summary, _ = read(stream, list(range(65_536, len(stream), 65_536)))
    assert summary.text == "the last word"
    assert len([e for e in events if e.kind is EventKind.TEXT]) == 3_000


def test_lesson_11_a_stream_of_40_megabytes_is_read_in_linear_time(read: Read) -> None:
    stream = said("x" * 10_000) * 4_000 + result("end")
    begun = time.process_time()
    summary = read(stream, list(range(65_536, len(stream), 65_536)))[1]
    assert summary.text == "end"
    assert time.process_time() - begun < 10


def test_lesson_12_every_cut_gives_the_same_answer(read: Read) -> None:
    stream = said("größer 日本語 🎉") + result("größer 日本語 🎉")
    whole = read(stream)
    for cut in range(len(stream)):
        assert read(stream, [cut])[:2] == whole[:2]


def test_recorded_runs_give_the_same_summary_at_every_cut(recorded: Open, cases: list[str], read: Read) -> None:
    chance = random.Random(20261122)
    for case in cases:
        run = recorded(case)
        for _ in range(5):
            cuts = [chance.randrange(len(run.stdout) + 1) for _ in range(12)]
            events, summary, _ = read(run.stdout, cuts, run.end.exit_code or 0)
            assert (events, summary.text, summary.usage) == (run.events, run.summary.text, run.summary.usage), case


@pytest.mark.parametrize(
    "noise", [b"not json\n", b"[1]\n", b"{\n", b'{"type":"assistant"}\n', b"\xff\xfe\n", b'{"type":"result"'], ids=repr
)
def test_invalid_lines_are_skipped(noise: bytes, read: Read) -> None:
    assert read(noise + b"\n" + result("fine"))[1].text == "fine"


def test_a_last_line_without_a_line_break_is_read(read: Read) -> None:
    assert read(result("fine").rstrip())[1].text == "fine"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


@given(events=st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1), max_size=4), data=st.data())
def test_no_event_makes_the_reader_raise(events: list[dict[str, Any]], data: st.DataObject) -> None:
    kinds = st.sampled_from(["assistant", "system", "result"])
    stream = b"".join(line(**{**event, "type": data.draw(kinds)}) for event in events)
    reader = ClaudeReader()
    list(reader.feed("stdout", stream))
    end = RunEnd(reason=EndReason.EXITED, exit_code=1, ended_at=datetime.now(timezone.utc))
    summary = reader.finish(end)
    request = Request(provider="claude", prompt=Prompt(text="x"), working_dir="/")
    explain(FinishedRun(request=request, posture=Posture.PLAN, resume=Resume(), end=end, summary=summary))


def test_the_windows_of_the_limit_are_told_of_good_runs_too(read: Read) -> None:
    windows = [
        {"rateLimitType": "five_hour", "status": "allowed", "utilization": 0.25, "resetsAt": 1767326400},
        {"rateLimitType": "seven_day", "status": "rejected", "utilization": 101, "resetsAt": 1767900000},
        {"rateLimitType": "other", "status": 7, "utilization": True, "resetsAt": "soon"},
    ]
    events = b"".join(line(type="rate_limit_event", rate_limit_info=one) for one in windows)
    first, second, third = read(said("done") + events + result())[1].run.limits
    assert (first.name, first.used_share, first.exhausted) == ("five_hour", 0.25, False)
    assert first.resets_at == datetime.fromtimestamp(1767326400, timezone.utc)
    assert (second.name, second.used_share, second.exhausted) == ("seven_day", 1.01, True)
    assert (third.used_share, third.resets_at, third.exhausted) == (None, None, False)
