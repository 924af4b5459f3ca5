from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from llm_gateway import Usage

if TYPE_CHECKING:
    from conftest import Recorded

    Open = Callable[..., Recorded]
    Read = Callable[..., Any]

THREAD = "01a20495-379d-7a81-ba34-b17f7b5b50e3"
PATH = "/home/someone/.codex/sessions/record.jsonl"
SECOND_TURN = datetime(2026, 11, 22, 18, 46, 57, 900_000, tzinfo=timezone.utc)
FAILED_TURN = datetime(2026, 11, 22, 18, 46, 58, 200_000, tzinfo=timezone.utc)
LAST_TURN = datetime(2026, 11, 22, 18, 46, 58, 400_000, tzinfo=timezone.utc)


def totals(count: int, thread: str = THREAD) -> bytes:
    usage = {"input_tokens": count, "cached_input_tokens": 0, "cache_write_input_tokens": 0, "output_tokens": 5}
    events = [
        {"type": "thread.started", "thread_id": thread},
        {"type": "turn.started"},
        {"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": "x"}},
        {"type": "turn.completed", "usage": usage},
    ]
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def test_the_totals_of_a_new_conversation_are_those_of_the_turn(recorded: Open) -> None:
    usage = recorded("json").summary.usage
    total = (usage.input_tokens or 0) + (usage.cache_read_tokens or 0) + (usage.cache_creation_tokens or 0)
    assert total == 13_467
    assert usage.output_tokens


def test_reasoning_tokens_are_reported(recorded: Open) -> None:
    usage = recorded("think").summary.usage
    assert (usage.output_tokens, usage.reasoning_tokens) == (148, 64)


def test_lesson_79_trap_1_a_resumed_turn_counts_only_itself(read: Read, record: bytes) -> None:
    _, summary, _ = read(totals(27_164), artifacts={PATH: record}, started=LAST_TURN)
    assert summary.usage == Usage(
        input_tokens=0, output_tokens=12, cache_read_tokens=13_622, cache_creation_tokens=117, reasoning_tokens=2
    )


def test_lesson_79_three_equal_turns_count_about_the_same(read: Read, record: bytes) -> None:
    """The totals grow: 13 542, 27 164, 40 903."""
    alone = read(totals(13_542))[1].usage
    turns = [alone]
    for started, total in ((SECOND_TURN, 27_164), (LAST_TURN, 40_903)):
        as_it_was = b"".join(line for line in record.splitlines(True) if started is LAST_TURN or b"58.5" not in line)
        turns.append(read(totals(total), artifacts={PATH: as_it_was}, started=started)[1].usage)
    whole = [
        (usage.input_tokens or 0) + (usage.cache_read_tokens or 0) + (usage.cache_creation_tokens or 0)
        for usage in turns
    ]
    assert whole == [13_542, 13_622, 13_739]


def test_a_turn_is_the_sum_of_its_requests_and_no_entry_counts_twice(read: Read, record: bytes) -> None:
    _, summary, _ = read(totals(40_903), artifacts={PATH: record + record, "/other": record}, started=SECOND_TURN)
    assert summary.usage.cache_read_tokens == 13_542 + 13_622
    assert summary.usage.output_tokens == 6 + 12


def test_a_failed_turn_without_an_answer_has_unknown_usage(read: Read, record: bytes) -> None:
    only_three_turns = b"".join(line for line in record.splitlines(True) if b"58.4" not in line and b"58.5" not in line)
    failed = b'{"type":"thread.started","thread_id":"%s"}\n{"type":"turn.failed","error":{"message":"x"}}\n'
    _, summary, _ = read(failed % THREAD.encode(), code=1, artifacts={PATH: only_three_turns}, started=FAILED_TURN)
    assert summary.usage == Usage()


def test_the_record_names_the_model_that_answered(read: Read, record: bytes) -> None:
    assert read(totals(1), artifacts={PATH: record}, started=LAST_TURN)[1].model == "gpt-6.1-sol"


@pytest.mark.parametrize("content", [b"", b"[]\n", b'{"type":"token_usage_record"}\n', b"\xff\n", b'"turn_context"\n'])
def test_without_a_readable_record_the_usage_of_a_resumed_turn_is_unknown(content: bytes, read: Read) -> None:
    assert read(totals(99_999), artifacts={PATH: content})[1].usage == Usage()


def test_entries_of_another_conversation_do_not_count(read: Read, record: bytes) -> None:
    other = "01a20495-0000-7a81-ba34-b17f7b5b50e3"
    assert read(totals(1, other), artifacts={PATH: record}, started=SECOND_TURN)[1].usage == Usage()


@pytest.mark.parametrize("case", ["ok-nousage", "exec-review-uncommitted"])
def test_trap_2_zeros_without_a_report_of_the_service_are_unknown(case: str, recorded: Open) -> None:
    assert recorded(case).summary.usage == Usage()


def test_a_killed_run_has_unknown_usage(recorded: Open) -> None:
    summary = recorded("signal-term-slow").summary
    assert summary.usage == Usage()
    assert summary.native_id
