"""`llm-gateway trust`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def trust(python: tuple[str, ...], tmp_path: Path) -> Any:
    """Run the command in a home of its own."""

    def run(*words: str, **environ: str) -> tuple[int, str]:
        done = subprocess.run(
            [*python, "-m", "llm_gateway.cli", "trust", *words],
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "LLM_GATEWAY_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_directory_is_added_listed_and_removed(trust: Any, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "link").symlink_to("project")
    assert trust("list") == (0, "no directory is trusted\n")
    assert trust("add", "link") == (0, f"trusted: {tmp_path}/project\n")
    assert json.loads(trust("list", "--json")[1]) == {"directories": [f"{tmp_path}/project"]}
    assert trust("remove", "project")[0] == 0
    assert trust("remove", "project")[0] == 1
    assert trust("list")[1] == "no directory is trusted\n"


def test_what_does_not_exist_cannot_be_trusted_but_can_be_removed(trust: Any, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    trust("add", "project")
    (tmp_path / "project").rmdir()
    assert trust("remove", "project")[0] == 0
    code, said = trust("add", "project")
    assert code == 2
    assert "there is no directory" in said


@pytest.mark.parametrize("verb", ["add", "remove"])
def test_a_run_changes_nothing_and_may_look(trust: Any, tmp_path: Path, verb: str) -> None:
    trust("add", ".")
    for variables in ({"LLM_GATEWAY_JOB": "job-1"}, {"LLM_GATEWAY_DEPTH": "1"}):
        code, said = trust(verb, "/", **variables)
        assert code == 2
        assert "not in a run" in said
        assert trust("list", **variables) == (0, f"{tmp_path}\n")


def test_a_child_of_a_run_that_hides_it_changes_nothing(python: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    inner = " ".join(["env", "-i", f"HOME={tmp_path}", f"LLM_GATEWAY_HOME={tmp_path}/home", *python])
    command = ["/bin/sh", "-c", f"{inner} -m llm_gateway.cli trust add /; exit $?"]
    environ = {"PATH": "/usr/bin:/bin", "LLM_GATEWAY_JOB": "job-1"}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "home" / "trusted.json").exists()
