"""Recorded runs of Claude Code 2.1.330: their output and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from llm_gateway import EndReason, Event, FinishedRun, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway_provider_claude.output import ClaudeReader

SAMPLES = Path(__file__).parent / "samples" / "2.1.330"
EXITS: dict[str, int] = json.loads((SAMPLES / "exits.json").read_text())


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A recorded run and the summary that the reader gives."""

    stdout: bytes
    stderr: str
    end: RunEnd
    events: list[Event]
    summary: Summary

    def finished(self) -> FinishedRun:
        """Return the run as `gateway_explain_failure` receives it."""
        request = Request(provider="claude", prompt=Prompt(text="hello"), working_dir="/")
        return FinishedRun(
            request=request,
            posture=Posture.PROMPTED,
            resume=Resume(),
            end=self.end,
            summary=self.summary,
            stderr_tail=self.stderr[-8192:],
        )


def read(stdout: bytes, cuts: list[int] | None = None, code: int = 0) -> tuple[list[Event], Summary, RunEnd]:
    """Feed the bytes to a reader, cut at these positions."""
    signal = -code if code < 0 else None
    end = RunEnd(
        reason=EndReason.EXITED, exit_code=None if signal else code, signal=signal, ended_at=datetime.now(timezone.utc)
    )
    reader = ClaudeReader()
    events = []
    places = [0, *sorted(cuts or []), len(stdout)]
    for start, stop in pairwise(places):
        events += list(reader.feed("stdout", stdout[start:stop]))
    return events, reader.finish(end), end


@pytest.fixture
def recorded() -> Callable[[str], Recorded]:
    """Return a recorded run by its name."""

    def open_case(case: str) -> Recorded:
        out, err = SAMPLES / f"{case}.stdout", SAMPLES / f"{case}.stderr"
        stdout = out.read_bytes() if out.exists() else b""
        stderr = err.read_text() if err.exists() else ""
        events, summary, end = read(stdout, code=EXITS[case])
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
