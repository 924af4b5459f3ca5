"""The windows of an account's limit in the record of a conversation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from llm_gateway import EndReason, RunEnd
from llm_gateway_provider_codex.limits import limits_of

AT = "2026-01-02T03:00:00.000Z"
NOW = datetime(2026, 1, 2, 3, tzinfo=timezone.utc)
END = RunEnd(reason=EndReason.EXITED, exit_code=0, started_at=NOW, ended_at=NOW)


def end_with(*limits: Any) -> RunEnd:
    lines = [
        {"timestamp": AT, "type": "event_msg", "payload": {"type": "token_count", "rate_limits": one}} for one in limits
    ]
    return replace(END, artifacts={"record": "\n".join(map(json.dumps, lines)).encode()})


def test_the_last_report_of_both_windows_counts() -> None:
    old = {"primary": {"used_percent": 1.0, "window_minutes": 300}}
    new = {
        "primary": {"used_percent": 100.0, "window_minutes": 300, "resets_at": 1767326400},
        "secondary": {"used_percent": 12.5, "window_minutes": 10080, "resets_in_seconds": 3600},
    }
    first, second = limits_of(end_with(old, new, None))
    assert (first.name, first.used_share, first.exhausted) == ("5 h", 1.0, True)
    assert first.resets_at == datetime.fromtimestamp(1767326400, timezone.utc)
    assert (second.name, second.used_share, second.exhausted) == ("7 days", 0.125, False)
    assert second.resets_at == NOW.replace(hour=4)


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {"primary": []},
        {"primary": {"used_percent": "x", "window_minutes": float("inf"), "resets_at": True, "resets_in_seconds": -1}},
        {"primary": {"used_percent": float("nan"), "resets_at": 1e300}},
    ],
)
def test_what_cannot_be_read_is_unknown(odd: Any) -> None:
    for window in limits_of(end_with(odd)):
        assert (window.used_share, window.resets_at, window.exhausted) == (None, None, False)


def test_a_run_without_a_record_has_no_known_windows() -> None:
    assert limits_of(END) == ()
    assert limits_of(replace(END, artifacts={"record": b'{"rate_limits": \xff\n'})) == ()
