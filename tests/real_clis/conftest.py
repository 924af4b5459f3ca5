"""The real programs, each ready to be asked, and a pipe that they can ring."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real_clis.agents.claude import claude
from tests.real_clis.agents.codex import codex
from tests.real_clis.agents.gemini import gemini
from tests.real_clis.agents.grok import grok
from tests.real_clis.agents.mistral import mistral
from tests.real_clis.signal_pipe import SignalPipe

__all__ = ["claude", "codex", "gemini", "grok", "mistral", "signal_pipe"]


@pytest.fixture
def anyio_backend() -> str:
    """What runs the tests that wait."""
    return "asyncio"


@pytest.fixture
def signal_pipe(tmp_path: Path) -> Iterator[SignalPipe]:
    """A signal_pipe for one test."""
    signal_pipe = SignalPipe(tmp_path / "signal_pipe")
    yield signal_pipe
    os.close(signal_pipe.ring)
