"""Recorded runs of Grok 1.0.41: their output and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from llm_gateway import RUN_FILES, EndReason, Event, FinishedRun, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway_provider_grok.output import GrokReader

SAMPLES = Path(__file__).parent / "samples" / "1.0.41"
EXITS: dict[str, int] = json.loads((SAMPLES / "exits.json").read_text())
CHOSEN = "2f0d8a5e-9c7b-4b56-8f0b-0d3f6f5c1a11"


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
        return FinishedRun(
            request=Request(provider="grok", prompt=Prompt(text="hello"), working_dir="/"),
            posture=Posture.PROMPTED,
            resume=Resume(),
            end=self.end,
            summary=self.summary,
            stderr_tail=self.stderr[-8192:],
        )


def read(stdout: bytes, cuts: list[int] | None = None, code: int = 0) -> tuple[list[Event], Summary, RunEnd]:
    """Feed the bytes to a reader, cut at these positions."""
    end = RunEnd(
        reason=EndReason.EXITED,
        exit_code=None if code < 0 else code,
        signal=-code if code < 0 else None,
        ended_at=datetime.now(timezone.utc),
        artifacts={f"{RUN_FILES}/{CHOSEN}": b""},
    )
    reader = GrokReader()
    events = []
    for start, stop in pairwise([0, *sorted(cuts or []), len(stdout)]):
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
