"""`llm-gateway verify` with the real programs: the newest tested version of each, two of them completely."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.real_clis.programs import installed


def verify(name: str, folder: Path, *words: str) -> dict[str, Any]:
    """Verify one program; the report of it."""
    environ = {
        "PATH": f"{installed(name).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LLM_GATEWAY_HOME": str(folder / "gateway"),
    }
    command = [sys.executable, "-m", "llm_gateway.cli", "verify", name, "--json", *words]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=1200, check=False)
    programs: list[dict[str, Any]] = json.loads(done.stdout)["programs"]
    assert len(programs) == 1, (done.stdout, done.stderr)
    return programs[0]


def differing(program: dict[str, Any]) -> dict[str, str]:
    """The checks that are neither in order nor skipped."""
    return {
        name: check["detail"] for name, check in program["checks"].items() if check["status"] not in ("ok", "skipped")
    }


@pytest.mark.parametrize("name", ["claude", "codex"])
def test_a_real_program_keeps_what_its_plugin_relies_on(name: str, tmp_path: Path) -> None:
    program = verify(name, tmp_path)
    assert program["problem"] is None
    assert differing(program) == {}
    assert len(program["checks"]) > 20


@pytest.mark.parametrize("name", ["gemini", "grok", "mistral"])
def test_a_real_program_passes_the_quick_checks(name: str, tmp_path: Path) -> None:
    program = verify(name, tmp_path, "--quick")
    assert (program["problem"], differing(program)) == (None, {})
    assert {"starts", "answer", "resume", "usage"} <= program["checks"].keys()
