"""Grok Build, aimed at the model server."""

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
def grok(model_server: ModelServer, tmp_path: Path) -> RealAgent:
    """The real Grok, ready to be asked; it reaches nothing but the model server."""
    program = installed("grok")
    for name in ("work", "home", "grok", "tmp"):
        (tmp_path / name).mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "GROK_HOME": str(tmp_path / "grok"),
        "GROK_XAI_API_BASE_URL": f"{model_server.url}/v1",
        "XAI_API_KEY": "any",
        # It would sign in, somewhere in the world, to look for an unknown conversation.
        "https_proxy": "http://127.0.0.1:9",
    }
    return RealAgent(name="grok", program=program, folder=tmp_path, environ=environ)
