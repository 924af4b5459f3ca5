"""The meaning of Claude's token counts, and the operator's settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import (
    CacheAccount,
    EndReason,
    JobId,
    NativeSessionId,
    Posture,
    Prompt,
    Record,
    Request,
    Resume,
    RunEnd,
    RunFacts,
    SessionId,
    Usage,
)
from llm_gateway_provider_claude.argv import build
from llm_gateway_provider_claude.caching import ClaudeSettings, account
from llm_gateway_provider_claude.options import ClaudeOptions
from llm_gateway_provider_claude.output import ClaudeReader

SAMPLES = Path(__file__).parent / "samples" / "2.1.330"
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
USUAL = ClaudeSettings()


def turn(
    read: int | None, written: int | None, *, requests: int | None = 1, resumed: bool = False, **more: Any
) -> Record:
    return Record(
        job_id=JobId("job-1"),
        session_id=SessionId("gw-1"),
        principal="local",
        correlation_id="c",
        provider="claude",
        posture=Posture.PROMPTED,
        resumed=resumed,
        usage=Usage(input_tokens=0, cache_read_tokens=read, cache_creation_tokens=written),
        run=RunFacts(requests=requests),
        started_at=NOON,
        ended_at=NOON,
        outcome="completed",
        **more,
    )


def held(record: Record, *earlier: Record) -> int | None:
    known = account(record, earlier, USUAL)
    assert known
    return known.held_tokens


def test_lesson_76_the_next_turn_reads_what_this_turn_read_and_wrote() -> None:
    assert held(turn(0, 12_000)) == 12_000
    assert held(turn(12_000, 300, resumed=True)) == 12_300


def test_after_a_turn_of_several_requests_the_cache_holds_the_last_request() -> None:
    # 0 + 10,000 written; 10,000 read + 1,000 written; 11,000 read + 500 written
    assert held(turn(21_000, 11_500, requests=3)) == 11_500
    # the same with 8,000 tokens already in the cache: 8,000; 18,000; 19,000
    assert held(turn(45_000, 11_500, requests=3)) in range(11_500, 19_501)


def test_with_sub_agents_only_earlier_turns_of_the_conversation_count() -> None:
    before = replace(turn(0, 9_000), cache=CacheAccount(held_tokens=9_000))
    assert held(turn(50_000, 2_000, requests=None, resumed=True), before) == 11_000
    assert held(turn(50_000, 2_000, requests=None)) == 2_000


def test_without_token_counts_the_account_is_unknown() -> None:
    assert account(turn(None, None), (), USUAL) is None


@pytest.mark.parametrize(
    ("told", "before", "life"), [(3600.0, 300.0, 3600.0), (None, 3600.0, 3600.0), (None, None, 300.0)]
)
def test_the_ttl_is_reported_or_that_of_the_earlier_turn_or_the_setting(
    told: float | None, before: float | None, life: float
) -> None:
    earlier = replace(turn(0, 1), cache=CacheAccount(ttl_s=before))
    record = replace(turn(1, 0, resumed=True), run=RunFacts(requests=1, cache_ttl_s=told))
    known = account(record, (earlier,), USUAL)
    assert known
    assert known.ttl_s == life


def built(settings: ClaudeSettings, **options: Any) -> Any:
    prompt = Prompt(text="rules\n\ntask", prefix="rules", marked_chars=5, cache_control=("system",))
    request = Request(provider="claude", prompt=prompt, working_dir="/", options=ClaudeOptions(**options))
    resume = Resume(native_id=NativeSessionId("00000000-0000-4000-8000-000000000000"))
    return build(request, Posture.PROMPTED, resume, settings=settings, root=False)


def test_the_operator_sets_the_ttl_unless_the_caller_does() -> None:
    hour = ClaudeSettings(anthropic_ttl_seconds=3600)
    assert built(hour).env["CLAUDE_CODE_PROMPT_CACHE_TTL"] == "1h"
    assert b'"ttl": "1h"' in built(hour).stdin
    assert built(hour, cacheTtl="5m").env["CLAUDE_CODE_PROMPT_CACHE_TTL"] == "5m"


def test_the_operator_can_turn_cache_marks_off() -> None:
    made = built(ClaudeSettings(emit_cache_control=False))
    assert b"cache_control" not in made.stdin
    assert [notice.code for notice in made.warnings] == ["cache_control_unsupported"]
    assert "emit_cache_control" in made.warnings[0].message


@pytest.mark.parametrize(
    ("case", "facts"),
    [
        ("thinking_stream", RunFacts(cli_version="2.1.330", requests=1, first_event_s=0.55, cache_ttl_s=300.0)),
        ("fail_overload_stream", RunFacts(cli_version="2.1.330", retries=1)),
    ],
)
def test_the_output_reports_version_retries_requests_and_the_first_token(case: str, facts: RunFacts) -> None:
    reader = ClaudeReader()
    reader.feed("stdout", (SAMPLES / f"{case}.stdout").read_bytes())
    assert reader.finish(RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=NOON)).run == facts


def test_sub_agents_make_the_number_of_requests_unknown() -> None:
    reader = ClaudeReader()
    reader.feed("stdout", (SAMPLES / "subagent_json.stdout").read_bytes())
    run = reader.finish(RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=NOON)).run
    assert run.requests is None
