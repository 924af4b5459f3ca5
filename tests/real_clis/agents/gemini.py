"""Gemini CLI, aimed at the model server."""

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
def gemini(model_server: ModelServer, tmp_path: Path) -> RealAgent:
    """The real Gemini CLI, ready to be asked; it reaches nothing but the model server."""
    program = installed("gemini")
    for name in ("work", "home", "tmp"):
        (tmp_path / name).mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "GOOGLE_GEMINI_BASE_URL": model_server.url,
        "GEMINI_API_KEY": "any",
    }
    return RealAgent(name="gemini", program=program, folder=tmp_path, environ=environ)
