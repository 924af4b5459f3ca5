"""Lines that are skipped without being parsed are irrelevant: the reader returns the same with and without them."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import pytest

from llm_gateway import EndReason, RunEnd
from llm_gateway_provider_claude import output
from llm_gateway_provider_claude.output import ClaudeReader
from llm_gateway_provider_kit.lines import JsonLines

SAMPLES = sorted((Path(__file__).parent / "samples").rglob("*.stdout"))
END = RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=datetime(2026, 1, 1, tzinfo=timezone.utc))


def told(data: bytes, *, parse_all: bool) -> object:
    reader = ClaudeReader()
    if parse_all:
        reader._lines = JsonLines()
    events = list(reader.feed("stdout", data))
    return events, asdict(reader.finish(END))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_every_recorded_run_gives_the_same_events_and_summary(sample: Path) -> None:
    data = sample.read_bytes()
    assert told(data, parse_all=False) == told(data, parse_all=True)


@pytest.mark.parametrize("kind", ["input_json_delta", "thinking_delta", "signature_delta", "text_delta"])
def test_of_partial_messages_only_text_is_parsed(kind: str) -> None:
    delta = {"type": kind, "text": 'a piece with "text_delta" in it'}
    event = {"type": "content_block_delta", "index": 12, "delta": delta}
    line = json.dumps({"type": "stream_event", "event": event}, separators=(",", ":")).encode()
    assert bool(output._IRRELEVANT.match(line)) is (kind != "text_delta")
    assert told(line + b"\n", parse_all=False) == told(line + b"\n", parse_all=True)
