"""Recorded runs of Codex 0.169.0: their output and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import EndReason, Event, FinishedRun, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway_provider_codex.output import CodexReader

SAMPLES = Path(__file__).parent / "samples" / "0.169.0"
EXITS: dict[str, int] = json.loads((SAMPLES / "exits.json").read_text())
NOW = datetime(2026, 11, 22, 19, 0, tzinfo=timezone.utc)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A recorded run and the summary that the reader gives."""

    stdout: bytes
    stderr: bytes
    end: RunEnd
    events: list[Event]
    summary: Summary

    def finished(self) -> FinishedRun:
        """Return the run as `gateway_explain_failure` receives it."""
        request = Request(provider="codex", prompt=Prompt(text="hello"), working_dir="/")
        return FinishedRun(
            request=request,
            posture=Posture.PROMPTED,
            resume=Resume(),
            end=self.end,
            summary=self.summary,
            stderr_tail=self.stderr.decode()[-8192:],
        )


def read(
    stdout: bytes,
    cuts: list[int] | None = None,
    code: int = 0,
    *,
    stderr: bytes = b"",
    artifacts: Mapping[str, bytes] | None = None,
    started: datetime = NOW,
    schema: Any = None,
) -> tuple[list[Event], Summary, RunEnd]:
    """Feed the bytes to a reader, cut at these positions."""
    signal = -code if code < 0 else None
    end = RunEnd(
        reason=EndReason.EXITED,
        exit_code=None if signal else code,
        signal=signal,
        started_at=started,
        ended_at=NOW,
        artifacts=artifacts or {},
    )
    reader = CodexReader(schema)
    events = list(reader.feed("stderr", stderr))
    places = [0, *sorted(cuts or []), len(stdout)]
    for start, stop in pairwise(places):
        events += list(reader.feed("stdout", stdout[start:stop]))
    return events, reader.finish(end), end


@pytest.fixture
def recorded() -> Callable[..., Recorded]:
    """Return a recorded run by its name."""

    def open_case(case: str, **more: Any) -> Recorded:
        out, err = SAMPLES / f"{case}.stdout", SAMPLES / f"{case}.stderr"
        stdout = out.read_bytes() if out.exists() else b""
        stderr = err.read_bytes() if err.exists() else b""
        events, summary, end = read(stdout, code=EXITS[case], stderr=stderr, **more)
        return Recorded(stdout=stdout, stderr=stderr, end=end, events=events, summary=summary)

    return open_case


@pytest.fixture
def cases() -> list[str]:
    """Return every recorded run."""
    return list(EXITS)


@pytest.fixture(name="read")
def read_fixture() -> Callable[..., tuple[list[Event], Summary, RunEnd]]:
    """`read`, for modules that cannot import this one."""
    return read


@pytest.fixture
def record() -> bytes:
    """The relevant lines of a conversation's record: turns with one request and with several, a failed turn, and one more."""
    return (SAMPLES / "record.jsonl").read_bytes()
