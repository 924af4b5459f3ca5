"""Claude Code, aimed at the model server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.agent import RealAgent
from tests.real_clis.programs import installed

if TYPE_CHECKING:
    from tests.conftest import ModelServer


@pytest.fixture
def claude(model_server: ModelServer, tmp_path: Path) -> RealAgent:
    """The real Claude Code, ready to be asked; it reaches nothing but the model server."""
    program = installed("claude")
    for name in ("work", "home", "config", "tmp"):
        (tmp_path / name).mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "CLAUDE_CONFIG_DIR": str(tmp_path / "config"),
        "ANTHROPIC_BASE_URL": model_server.url,
        "ANTHROPIC_API_KEY": "any",
    }
    return RealAgent(name="claude", program=program, folder=tmp_path, environ=environ)
