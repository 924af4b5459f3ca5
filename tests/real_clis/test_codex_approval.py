"""The real Codex under `mcp_managed`: it keeps its sandbox, and works on its own where that was asked for by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.real_clis.through_mcp import gateway_of

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

pytestmark = pytest.mark.anyio
MANAGED = {"approvalStrategy": "mcp_managed"}


def shell(command: str) -> str:
    words = f"const r = await tools.exec_command({json.dumps({'cmd': command})}); text(r.output)"
    return "TOOL:exec " + json.dumps({"input": words})


async def test_lesson_49_an_approved_run_looks_and_changes_nothing_until_it_was_asked_to(codex: RealAgent) -> None:
    (codex.work / "there.txt").write_text("what stands there")
    prompt = f"{shell('touch made.txt')}\n{shell('cat there.txt')}"
    async with gateway_of(codex) as caller:
        told = await caller.ask(prompt, **MANAGED)
        assert told["approval"]["posture"] == "prompted"
        assert "what stands there" in told["text"]
        assert not (codex.work / "made.txt").exists()
        auto = await caller.ask(prompt, fullAuto=True, createNewSession=True, **MANAGED)
        assert auto["approval"]["posture"] == "workspace_write"
        assert (codex.work / "made.txt").exists()
        strict = await caller.ask(prompt, fullAuto=True, approvalPolicy="strict", forceRefresh=True, **MANAGED)
        assert strict["error"]["code"] == "approval_needed"


async def test_lesson_49_bypass_never_reaches_codex(codex: RealAgent, model_server: ModelServer) -> None:
    async with gateway_of(codex) as caller:
        for spelling in ({"posture": "bypass"}, {"sandboxMode": "danger-full-access"}):
            told = await caller.ask("SAY:x", **MANAGED, **spelling)
            assert told["error"]["code"] == "approval_denied"
    assert model_server.log() == []
