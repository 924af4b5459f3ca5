"""The plugin for Claude Code, installed by the real Claude Code from this checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.busy import PATIENCE_S

if TYPE_CHECKING:
    from tests.real_clis.agent import RealAgent

CHECKOUT = Path(__file__).parents[2]


def test_claude_code_installs_the_plugin_and_starts_its_server(claude: RealAgent) -> None:
    bin_folder = Path(sys.executable).parent
    claude.environ["PATH"] = f"{bin_folder}:{claude.environ['PATH']}"

    def run(*words: str) -> str:
        argv = [str(claude.program), *words]
        done = subprocess.run(
            argv, env=claude.environ, cwd=claude.work, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "Validation passed" in run("plugin", "validate", str(CHECKOUT))
    run("plugin", "marketplace", "add", str(CHECKOUT))
    run("plugin", "install", "llm-gateway@llm-gateway")
    shown = run("plugin", "list")
    assert "llm-gateway@llm-gateway" in shown
    assert "enabled" in shown
    assert "plugin:llm-gateway:llm-gateway: llm-gateway serve - ✔ Connected" in run("mcp", "list")
    said = run("-p", "SAY:x", "--output-format", "stream-json", "--verbose")
    for name in ("review", "ask", "jobs", "sessions", "cache"):
        assert f'"llm-gateway:{name}"' in said
    assert '"llm-gateway:multi-llm-orchestration"' in said
