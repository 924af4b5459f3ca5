"""The table of docs/reference/providers.md says what each real program really does on each posture."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from llm_gateway import PluginHost, Posture
from tests.real_clis.bubblewrap import path_with_bubblewrap
from tests.real_clis.postures import TABLE, WRITE, keep, measure

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

AGENTS = ("claude", "codex", "gemini", "grok", "mistral")


def held() -> list[tuple[str, Posture]]:
    """Every program that is tested here, with the postures it holds."""
    host = PluginHost.discover({})
    host.load(("provider",), AGENTS)
    return [(name, posture) for name in AGENTS for posture in host.providers[name].of(name).postures]


def measurable() -> list[tuple[str, Posture]]:
    """Those that this machine can hold: Claude Code refuses its own sandbox without socat, which `.ci/run` installs."""
    return [row for row in held() if row != ("claude", Posture.WORKSPACE_WRITE) or shutil.which("socat")]


@pytest.mark.parametrize(("name", "posture"), measurable(), ids=lambda value: getattr(value, "value", value))
def test_a_posture_permits_what_the_table_says(
    name: str, posture: Posture, model_server: ModelServer, request: pytest.FixtureRequest
) -> None:
    agent: RealAgent = request.getfixturevalue(name)
    agent.environ["PATH"] = path_with_bubblewrap()
    cells = measure(agent, model_server, posture)
    if os.environ.get(WRITE):
        keep(name, posture.value, cells)
    assert json.loads(TABLE.read_text("utf-8"))[name][posture.value] == cells


def test_the_table_has_a_row_for_every_posture_and_no_other() -> None:
    table = json.loads(TABLE.read_text("utf-8"))
    assert {(name, posture) for name in table for posture in table[name]} == {
        (name, posture.value) for name, posture in held()
    }
