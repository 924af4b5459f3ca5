"""Codex's log says how long it waits; the reader's events and summary say so too."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from llm_gateway import EndReason, RunEnd
from llm_gateway_provider_codex.output import CodexReader
from llm_gateway_provider_codex.waits import wait_of

#: Recorded with 0.169.0.
LINE = (
    "2026-11-30T03:50:29.975772Z  WARN codex_core::responses_retry: stream disconnected - retrying sampling request "
    "(1/1 in 7199.997828631s)... turn_id=01a22a93-5ac2-7c63-9bc0-dea59831719a retries=1 max_retries=1 "
    "sampling_error=exceeded retry limit, last status: 429 Too Many Requests, request id: req_85f"
)
UNTIL = datetime(2026, 11, 30, 5, 50, 28, tzinfo=timezone.utc)


def test_a_long_wait_is_found_in_the_log() -> None:
    wait = wait_of(LINE)
    assert wait is not None
    assert abs((wait.until - UNTIL).total_seconds()) < 2
    assert wait.error.startswith("exceeded retry limit, last status: 429")


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace("7199.997828631s", "812.5ms"),
        LINE.replace("7199.997828631s", "3s"),
        LINE.replace("7199.997828631s", "99999999999999s"),
        LINE.replace("WARN", "INFO"),
        "the model wrote: " + LINE,
        "",
    ],
)
def test_anything_else_is_no_wait(line: str) -> None:
    assert wait_of(line) is None


def test_the_event_and_the_summary_of_an_ended_run_name_the_limit() -> None:
    reader = CodexReader()
    reader.feed("stdout", b'{"type":"thread.started","thread_id":"01a22a93-8ce9-77a3-81b6-d45e0ea4fb8f"}\n')
    (event,) = reader.feed("stderr", LINE.encode() + b"\n")
    assert event.waiting_until is not None
    end = RunEnd(reason=EndReason.CANCELED, signal=2, started_at=UNTIL, ended_at=UNTIL, stdout_bytes=0, stderr_bytes=0)
    summary = reader.finish(end)
    assert summary.failure["message"].startswith("exceeded retry limit, last status: 429")
