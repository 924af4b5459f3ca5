"""Recorded runs of Gemini CLI 0.61.0: their output and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import EndReason, Event, FinishedRun, OutputReader, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway_provider_gemini.plugin import GeminiProvider

PROVIDER = GeminiProvider()

SAMPLES = Path(__file__).parent / "samples" / "0.61.0"
EXITS: dict[str, int] = json.loads((SAMPLES / "exits.json").read_text())
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A recorded run and the summary that the reader gives."""

    stdout: bytes
    stderr: bytes
    end: RunEnd
    events: list[Event]
    summary: Summary
    request: Request

    def finished(self) -> FinishedRun:
        """Return the run as `gateway_explain_failure` receives it."""
        return FinishedRun(
            request=self.request,
            posture=Posture.PROMPTED,
            resume=Resume(),
            end=self.end,
            summary=self.summary,
            stderr_tail=self.stderr.decode(errors="replace")[-8192:],
        )


def ended(code: int) -> RunEnd:
    """Return the end of a run; a negative code is a signal."""
    signal = -code if code < 0 else None
    return RunEnd(reason=EndReason.EXITED, exit_code=None if signal else code, signal=signal, ended_at=NOW)


def read(stdout: bytes, stderr: bytes = b"", cuts: list[int] | None = None, code: int = 0, **asked: Any) -> Recorded:
    """Feed the output of a run to a reader, with stdout cut at these positions."""
    request = Request(provider="gemini", prompt=Prompt(text="hello"), working_dir="/", **asked)
    reader: OutputReader = PROVIDER.open_reader(request)
    events = list(reader.feed("stderr", stderr))
    for start, stop in pairwise([0, *sorted(cuts or []), len(stdout)]):
        events += list(reader.feed("stdout", stdout[start:stop]))
    end = ended(code)
    return Recorded(stdout=stdout, stderr=stderr, end=end, events=events, summary=reader.finish(end), request=request)


@pytest.fixture
def recorded() -> Callable[[str], Recorded]:
    """Return a recorded run by its name."""

    def open_case(case: str) -> Recorded:
        out, err = SAMPLES / f"{case}.stdout", SAMPLES / f"{case}.stderr"
        return read(
            out.read_bytes() if out.exists() else b"", err.read_bytes() if err.exists() else b"", code=EXITS[case]
        )

    return open_case


@pytest.fixture
def cases() -> list[str]:
    """Return every recorded run."""
    return list(EXITS)


@pytest.fixture(name="read")
def read_fixture() -> Callable[..., Recorded]:
    """`read`, for modules that cannot import this one."""
    return read
