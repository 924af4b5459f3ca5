"""The real programs, each ready to be asked, and a bell that they can ring."""

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
from tests.real_clis.bell import Bell

__all__ = ["bell", "claude", "codex", "gemini", "grok", "mistral"]


@pytest.fixture
def anyio_backend() -> str:
    """What runs the tests that wait."""
    return "asyncio"


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[Bell]:
    """A bell for one test."""
    bell = Bell(tmp_path / "bell")
    yield bell
    os.close(bell.ring)
