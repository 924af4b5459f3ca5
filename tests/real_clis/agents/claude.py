"""Claude Code, aimed at the model server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.agent import RealAgent
from tests.real_clis.programs import installed

if TYPE_CHECKING:
    from tests.conftest import ModelServer


@pytest.fixture
def claude(model_server: ModelServer, tmp_path: Path) -> Iterator[RealAgent]:
    """The real Claude Code, ready to be asked; it reaches nothing but the model server."""
    program = installed("claude")
    for name in ("work", "home", "config"):
        (tmp_path / name).mkdir()
    # A short one: its sandbox makes sockets there, for whose paths the system has room for 107 bytes, and runs no program without.
    with tempfile.TemporaryDirectory(prefix="claude-", ignore_cleanup_errors=True) as scratch:
        yield _aimed(program, tmp_path, scratch, model_server.url)


def _aimed(program: Path, tmp_path: Path, scratch: str, url: str) -> RealAgent:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": scratch,
        "CLAUDE_CONFIG_DIR": str(tmp_path / "config"),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "any",
    }
    return RealAgent(name="claude", program=program, folder=tmp_path, environ=environ)
