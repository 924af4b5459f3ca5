"""Mistral Vibe, aimed at the model server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.agent import RealAgent
from tests.real_clis.programs import installed

if TYPE_CHECKING:
    from tests.conftest import ModelServer


def model(name: str, alias: str) -> dict[str, object]:
    """A model of the service, with prices."""
    prices = {"input_price": 1.0, "output_price": 2.0, "cached_input_price": 0.1}
    return {"name": name, "provider": "mistral", "alias": alias, **prices}


@pytest.fixture
def mistral(model_server: ModelServer, tmp_path: Path) -> RealAgent:
    """The real Mistral Vibe, ready to be asked; it reaches nothing but the model server."""
    program = installed("mistral")
    for name in ("work", "home", "vibe", "tmp"):
        (tmp_path / name).mkdir()
    provider = {
        "name": "mistral",
        "api_base": f"{model_server.url}/v1",
        "api_key_env_var": "MISTRAL_API_KEY",
        "backend": "mistral",
    }
    models = [model("m-1", "small"), model("m-2", "large"), model("no-such-model", "gone")]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "VIBE_HOME": str(tmp_path / "vibe"),
        "VIBE_PROVIDERS": json.dumps([provider]),
        "VIBE_MODELS": json.dumps({str(m["alias"]): m for m in models}),
        "VIBE_ACTIVE_MODEL": "small",
        "MISTRAL_API_KEY": "any",
    }
    return RealAgent(name="mistral", program=program, folder=tmp_path, environ=environ)
