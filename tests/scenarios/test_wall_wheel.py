"""The wall as a user gets it: installed it is in force, and where it cannot be built nothing runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.real_clis.bubblewrap import path_with_bubblewrap
from tests.scenarios.environments import Environment, run


@pytest.fixture
def user(tmp_path: Path, wheels: Path) -> tuple[Environment, dict[str, str], Path]:
    """An environment with the extra `wall`, what its commands are given, and a project's directory."""
    environment = Environment(tmp_path / "env", wheels)
    environment.install("llm-gateway-mcp[demo,wall]==0.1.0")
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home, project):
        folder.mkdir()
    return environment, {"HOME": str(home), "LLM_GATEWAY_HOME": str(home / "gw")}, project


def test_doctor_tells_of_it_and_a_run_is_behind_it(user: tuple[Environment, dict[str, str], Path]) -> None:
    environment, environ, project = user
    command = environment.folder / "bin/llm-gateway"
    environ["PATH"] = path_with_bubblewrap()
    no_agent_is_ready = 4
    report = json.loads(run(command, "doctor", "--json", cwd=project, also=no_agent_is_ready, **environ))
    (row,) = report["plugins"]
    assert (row["name"], row["ok"]) == ("wall", True)
    assert "model-only" in row["message"]
    assert "echo: hello" in run(command, "ask", "echo", "hello", cwd=project, **environ)
    assert list(project.iterdir()) == []


def test_without_bubblewrap_nothing_runs_and_doctor_fails(user: tuple[Environment, dict[str, str], Path]) -> None:
    environment, environ, project = user
    command = environment.folder / "bin/llm-gateway"
    environ["PATH"] = str(environment.folder / "bin")
    refused = run(command, "ask", "echo", "hello", cwd=project, status=1, **environ)
    assert "`bwrap` was not found" in refused
    assert "approval_denied" in refused
    report = run(command, "doctor", cwd=project, status=1, **environ)
    assert "Traceback" not in report
