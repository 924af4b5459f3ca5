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
from llm_gateway_provider_mistral.argv import EXPORT, JOURNAL, META
from llm_gateway_provider_mistral.failures import explain
from llm_gateway_provider_mistral.output import MistralReader

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[..., Recorded]
    Read = Callable[..., Any]

SESSION = "b0aee4ef-2041-002d-2292-a0826bbe63ab"
NAMES = [
    *("sessionId", "turnId", "role", "content", "text", "outcome", "cause", "detail", "toolName", "display", "message"),
    *("state", "error", "code", "resource", "uri", "usage", "cost_usd", "config", "models", "active_model", "warnings"),
    *("input_tokens", "cached_input_tokens", "payload", "result", "method", "client_command_id", "input_price", "type"),
]


def line(**entry: Any) -> bytes:
    return json.dumps({"sessionId": SESSION, "turnId": "turn-1", **entry}, ensure_ascii=False).encode() + b"\n"


def asked(**more: Any) -> bytes:
    return line(type="message", role="user", content=[{"type": "text", "text": "hello"}], **more)


def said(text: str, outcome: str = "committed", **why: Any) -> bytes:
    content = [{"type": "text", "text": text}]
    return line(type="message", role="assistant", content=content, outcome={"type": outcome, **why})


def call(fresh: int, out: int = 5, cached: int = 0, **state: Any) -> bytes:
    usage = {"input_tokens": fresh, "output_tokens": out, "cached_input_tokens": cached, "reasoning_tokens": 1}
    result = {"type": "completion_succeeded", "result": {"usage": usage}}
    return json.dumps({"payload": {"result": result, "state": "succeeded", **state}}).encode() + b"\n"


def begun(turn: str) -> bytes:
    return json.dumps({"payload": {"method": "turn/start", "client_command_id": turn}}).encode() + b"\n"


def left(journal: bytes = b"", alias: str = "m", **export: Any) -> dict[str, bytes]:
    meta = {"config": {"active_model": alias, "model_name": f"{alias}-1"}}
    return {EXPORT: json.dumps(export).encode(), META: json.dumps(meta).encode(), JOURNAL: journal}


def test_lesson_88_the_first_line_reports_the_id(recorded: Open) -> None:
    case = recorded("streaming")
    assert case.events[0].kind is EventKind.SESSION
    assert case.events[0].text == case.summary.native_id == "1f7b41fd-33a4-ab1d-41c4-e05ef2162cdd"


def test_a_plain_answer_has_a_cost(recorded: Open) -> None:
    summary = recorded("history").summary
    assert (summary.text, summary.model, summary.failed) == ("SAY:größer", "mistral-vibe-cli-latest", False)
    assert (summary.usage.input_tokens, summary.usage.cache_read_tokens, summary.usage.output_tokens) == (24, 8443, 8)
    assert summary.cost.usd == pytest.approx(0.00136245)
    assert summary.cost.basis is CostBasis.REPORTED


def test_the_answer_is_the_last_message(recorded: Open) -> None:
    case = recorded("mcp-call")
    assert next(e.text for e in case.events if e.kind is EventKind.TEXT) == "calling"
    assert case.summary.text == 'TOOLRESULT[ok]: "the secret has 4 letters"'


def test_trap_a_discarded_answer_is_not_the_answer(recorded: Open) -> None:
    case = recorded("err-length")
    assert case.summary.text.startswith("OK: Your previous response was discarded")
    assert len([e for e in case.events if e.kind is EventKind.TEXT]) == 1


def test_lesson_5_an_incomplete_answer_is_kept_when_the_run_failed(recorded: Open, read: Read) -> None:
    assert recorded("err-cut").summary.text == "OK:"
    interrupted = read(asked() + said("one") + said("half", "discarded", cause="interrupt"), code=3)[1]
    assert interrupted.text == "one\n\nhalf"


def test_tools_are_shown_on_one_line(recorded: Open) -> None:
    tools = [e.text for e in recorded("tool-default-write").events if e.kind is EventKind.TOOL]
    assert tools == ["file_system.write_file new.txt"]
    assert [e.text for e in recorded("mcp-call").events if e.kind is EventKind.TOOL] == ["mcp_tiny.whoami"]


@pytest.mark.parametrize(
    ("case", "tool"), [("tool-ask-shell", "file_system.bash"), ("tool-ask-write", "file_system.write_file")]
)
def test_trap_4_a_denied_tool_is_a_notice_despite_exit_code_0(case: str, tool: str, recorded: Open) -> None:
    run = recorded(case)
    assert run.end.exit_code == 0
    assert not run.summary.failed
    assert [(n.code, n.details) for n in run.summary.notices if n.code == "permission_denied"] == [
        ("permission_denied", {"tools": [tool]})
    ]


def test_a_server_that_did_not_start_is_a_notice(recorded: Open) -> None:
    (notice,) = [n for n in recorded("env-mcp-broken").summary.notices if n.code == "mcp_server_failed"]
    assert notice.details == {"servers": {"broken": "mcp_transport_failed."}}


def test_lesson_83_skipped_project_settings_are_a_notice(recorded: Open) -> None:
    notices = recorded("untrusted-dir").summary.notices
    assert "is not trusted" in next(n.message for n in notices if n.code == "provider_warning")


def test_lesson_78_an_attached_file_is_a_notice(read: Read) -> None:
    content = [{"type": "text", "text": "see @a"}, {"type": "resource", "resource": {"uri": "near:a"}}]
    stream = line(type="message", role="user", content=content) + said("seen")
    (notice,) = read(stream)[1].notices
    assert (notice.code, notice.details) == ("files_attached", {"files": ["near:a"]})


def test_trap_5_an_unknown_alias_is_a_failure_despite_exit_code_0(recorded: Open) -> None:
    run = recorded("bad-model-alias", model="nonsense")
    assert run.end.exit_code == 0
    assert run.summary.failed
    assert run.summary.notices == ()


def test_an_outdated_alias_in_the_users_configuration_is_a_warning(recorded: Open) -> None:
    summary = recorded("bad-model-alias").summary
    assert not summary.failed
    assert [notice.code for notice in summary.notices] == ["provider_warning"]


def test_another_model_than_the_requested_one_is_a_notice(read: Read) -> None:
    kept = read(asked() + said("x"), artifacts=left(alias="old"), model="new")[1]
    taken = read(asked() + said("x"), artifacts=left(alias="new"), model="new")[1]
    assert [notice.code for notice in kept.notices] == ["other_model"]
    assert taken.notices == ()


def test_lesson_79_trap_1_calls_with_run_typescript_are_counted(read: Read) -> None:
    prices = {"m": {"input_price": 1.0, "output_price": 2.0, "cached_input_price": 0.1}}
    counted = {"usage": {"input_tokens": 8748, "output_tokens": 5, "cached_input_tokens": 8500}, "cost_usd": 0.001108}
    artifacts = left(begun("turn-1") + call(8513) + call(8748, cached=8500), **counted, config={"models": prices})
    summary = read(asked() + said("x"), artifacts=artifacts)[1]
    assert summary.usage.input_tokens == 8513 + 248
    assert (summary.usage.cache_read_tokens, summary.usage.output_tokens) == (8500, 10)
    assert summary.usage.reasoning_tokens == 2
    assert summary.cost.usd == pytest.approx((8761 * 1.0 + 10 * 2.0 + 8500 * 0.1) / 1e6)


def test_lesson_79_earlier_turns_in_the_journal_are_not_counted(read: Read) -> None:
    journal = begun("turn-0") + call(7000) + begun("turn-1") + call(10) + b"not json\n" + call(20, state="failed")
    assert read(asked() + said("x"), artifacts=left(journal))[1].usage.input_tokens == 10


def test_without_the_beginning_of_the_turn_the_export_is_used_with_a_notice(read: Read) -> None:
    usage = {"input_tokens": 30, "output_tokens": 1, "cached_input_tokens": 20}
    summary = read(asked() + said("x"), artifacts=left(call(10), usage=usage))[1]
    assert (summary.usage.input_tokens, summary.usage.cache_read_tokens) == (10, 20)
    assert (summary.usage.cache_creation_tokens, summary.usage.reasoning_tokens) == (None, None)
    assert [notice.code for notice in summary.notices] == ["usage_incomplete"]


def test_unknown_numbers_are_not_zero(recorded: Open, read: Read) -> None:
    for case in ("sigterm-model", "err-429", "missing-auth", "sigkill-tool"):
        summary = recorded(case).summary
        assert (summary.usage.input_tokens, summary.cost.basis) == (None, CostBasis.UNKNOWN), case
    unpriced = left(usage={"input_tokens": 30, "output_tokens": 1}, cost_usd=0.0)
    summary = read(asked() + said("x"), artifacts=unpriced, max_budget_usd=1.0)[1]
    assert summary.cost.basis is CostBasis.UNKNOWN
    assert "budget_not_enforced" in [notice.code for notice in summary.notices]


def test_a_cost_that_differs_from_known_prices_is_not_guessed(read: Read) -> None:
    counted = {"usage": {"input_tokens": 10, "output_tokens": 5}, "cost_usd": 0.5}
    artifacts = left(begun("turn-1") + call(10) + call(10), **counted, config={"models": {"m": {"input_price": 1.0}}})
    assert read(asked() + said("x"), artifacts=artifacts)[1].cost.basis is CostBasis.UNKNOWN


def test_lesson_19_exit_0_without_entries_is_a_failure(read: Read) -> None:
    assert read(b"something else\n")[1].failed


def test_lesson_19_an_empty_answer_gives_an_empty_text(read: Read) -> None:
    assert read(asked())[1].text == ""


def test_lesson_11_a_stream_of_40_megabytes_is_read_in_linear_time(read: Read) -> None:
    stream = asked() + said("x" * 10_000) * 4_000 + said("end")
    start = time.process_time()
    summary = read(stream, list(range(65_536, len(stream), 65_536)))[1]
    assert summary.text == "end"
    assert time.process_time() - start < 10


def test_lesson_12_every_cut_gives_the_same_answer(read: Read) -> None:
    stream = asked() + said("größer 日本語 🎉")
    whole = read(stream)
    for cut in range(len(stream)):
        assert read(stream, [cut])[:2] == whole[:2]


def test_recorded_runs_give_the_same_summary_in_pieces_of_any_size(
    recorded: Open, cases: list[str], read: Read
) -> None:
    chance = random.Random(20261122)
    for case in cases:
        run = recorded(case)
        for _ in range(5):
            cuts = [chance.randrange(len(run.stdout) + 1) for _ in range(12)]
            got = read(run.stdout, cuts, run.end.exit_code or 0, run.stderr, run.artifacts)
            assert got[:2] == (run.events, run.summary) or run.end.signal, case


@pytest.mark.parametrize("noise", [b"not json\n", b"[1]\n", b"{\n", b'{"type":"message"}\n', b"\xff\xfe\n"], ids=repr)
def test_invalid_lines_are_skipped(noise: bytes, read: Read) -> None:
    assert read(asked() + noise + said("fine"))[1].text == "fine"


def test_a_last_line_without_a_line_break_is_read(read: Read) -> None:
    assert read(asked() + said("fine").rstrip())[1].text == "fine"


def test_a_gap_loses_one_line() -> None:
    reader = MistralReader(Request(provider="mistral", prompt=Prompt(text="x"), working_dir="/"))
    list(reader.feed("stdout", asked() + b'{"half'))
    reader.gap("stdout")
    list(reader.feed("stdout", b'of it"}\n' + said("fine")))
    assert (
        reader.finish(RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=datetime.now(timezone.utc))).text == "fine"
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)
ENTRIES = st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1), max_size=4)


@given(entries=ENTRIES, export=ENTRIES, data=st.data())
def test_no_entry_and_no_export_makes_the_reader_raise(
    entries: list[dict[str, Any]], export: list[dict[str, Any]], data: st.DataObject
) -> None:
    kinds = st.sampled_from(["message", "effect", "callback", "checkpoint", "reasoning"])
    stream = b"".join(line(**{**entry, "type": data.draw(kinds)}) for entry in entries)
    reader = MistralReader(Request(provider="mistral", prompt=Prompt(text="x"), working_dir="/"))
    list(reader.feed("stdout", stream))
    job_files = b"\n".join(json.dumps(one).encode() for one in export)
    whole = json.dumps(export[0] if export else {}).encode()
    end = RunEnd(
        reason=EndReason.EXITED,
        exit_code=1,
        ended_at=datetime.now(timezone.utc),
        artifacts={EXPORT: whole, META: whole, JOURNAL: begun("turn-1") + job_files},
    )
    summary = reader.finish(end)
    run = Request(provider="mistral", prompt=Prompt(text="x"), working_dir="/")
    explain(FinishedRun(request=run, posture=Posture.PROMPTED, resume=Resume(), end=end, summary=summary))
