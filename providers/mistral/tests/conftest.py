"""Recorded runs of Mistral Vibe 3.0.3: their output, their files and their exit codes.

Of the configuration in the exports only models and prices were kept; of the journals only the calls, without prompts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import EndReason, Event, FinishedRun, Posture, Prompt, Request, Resume, RunEnd, Summary
from llm_gateway_provider_mistral.argv import EXPORT, JOURNAL, META
from llm_gateway_provider_mistral.output import MistralReader

SAMPLES = Path(__file__).parent / "samples" / "3.0.3"
EXITS: dict[str, int] = json.loads((SAMPLES / "exits.json").read_text())
LEFT = {"export.json": EXPORT, "meta.json": META, "journal.jsonl": JOURNAL}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A recorded run and the summary that the reader gives."""

    stdout: bytes
    stderr: bytes
    artifacts: dict[str, bytes]
    end: RunEnd
    events: list[Event]
    summary: Summary

    def finished(self) -> FinishedRun:
        """Return the run as `gateway_explain_failure` receives it."""
        return FinishedRun(
            request=request(),
            posture=Posture.PROMPTED,
            resume=Resume(),
            end=self.end,
            summary=self.summary,
            stderr_tail=self.stderr.decode()[-8192:],
        )


def request(**asked: Any) -> Request:
    """Return the request of the run."""
    return Request(provider="mistral", prompt=Prompt(text="hello"), working_dir="/", **asked)


def read(
    stdout: bytes,
    cuts: list[int] | None = None,
    code: int = 0,
    stderr: bytes = b"",
    artifacts: dict[str, bytes] | None = None,
    **asked: Any,
) -> tuple[list[Event], Summary, RunEnd]:
    """Feed the bytes to a reader, cut at these positions."""
    signal = -code if code < 0 else None
    end = RunEnd(
        reason=EndReason.EXITED,
        exit_code=None if signal else code,
        signal=signal,
        ended_at=datetime.now(timezone.utc),
        artifacts=artifacts or {},
    )
    reader = MistralReader(request(**asked))
    events = list(reader.feed("stderr", stderr))
    places = [0, *sorted(cuts or []), len(stdout)]
    for start, stop in pairwise(places):
        events += list(reader.feed("stdout", stdout[start:stop]))
    return events, reader.finish(end), end


@pytest.fixture
def recorded() -> Callable[..., Recorded]:
    """Return a recorded run by its name."""

    def open_case(case: str, **asked: Any) -> Recorded:
        def content(kind: str) -> bytes:
            path = SAMPLES / f"{case}.{kind}"
            return path.read_bytes() if path.exists() else b""

        stdout, stderr = content("stdout"), content("stderr")
        artifacts = {path: content(kind) for kind, path in LEFT.items()}
        events, summary, end = read(stdout, code=EXITS[case], stderr=stderr, artifacts=artifacts, **asked)
        return Recorded(stdout=stdout, stderr=stderr, artifacts=artifacts, end=end, events=events, summary=summary)

    return open_case


@pytest.fixture
def cases() -> list[str]:
    """Return every recorded run."""
    return list(EXITS)


@pytest.fixture(name="read")
def read_fixture() -> Callable[..., tuple[list[Event], Summary, RunEnd]]:
    """`read`, for modules that cannot import this one."""
    return read
