"""Codex, aimed at the model server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from llm_gateway_provider_codex.options import CodexSettings
from tests.real_clis.agent import RealAgent
from tests.real_clis.programs import installed

if TYPE_CHECKING:
    from tests.conftest import ModelServer


@pytest.fixture
def codex(model_server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAgent]:
    """The real Codex, ready to be asked; it reaches nothing but the model server, and tries no more than twice."""
    program = installed("codex")
    for name in ("work", "home", "config", "tmp"):
        (tmp_path / name).mkdir()
    service = f'{{name="local",base_url="{model_server.url}/openai/v1",env_key="CODEX_API_KEY",wire_api="responses",'
    settings = CodexSettings(
        overrides=(
            'model_provider="local"',
            f"model_providers.local={service}request_max_retries=1,stream_max_retries=1}}",
        )
    )
    (tmp_path / "gateway").mkdir(mode=0o700)
    (tmp_path / "gateway" / "config.toml").write_text(
        f"[providers.codex]\noverrides = {json.dumps(settings.overrides)}\n"
    )
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "CODEX_HOME": str(tmp_path / "config"),
        "CODEX_API_KEY": "any",
    }
    # The plugin runs in the test's own process: there it looks for conversations, and there it is told its settings.
    monkeypatch.setenv("CODEX_HOME", environ["CODEX_HOME"])
    agent = RealAgent(name="codex", program=program, folder=tmp_path, environ=environ)
    agent.host.configure({}, {"codex": settings})
    yield agent
    agent.host.configure({}, {"codex": CodexSettings()})
