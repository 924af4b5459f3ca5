import subprocess
from pathlib import Path

import pytest

from llm_gateway_extension_git.worktree import tree_state


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, timeout=30)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "kept.py").write_text("one\n")
    (tmp_path / "inner").mkdir()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_outside_of_git_nothing_is_assumed(tmp_path: Path) -> None:
    assert tree_state(str(tmp_path)) == ""


def test_the_same_tree_has_the_same_state(repository: Path) -> None:
    assert tree_state(str(repository)) == tree_state(str(repository)) != ""


def test_a_fix_is_never_answered_with_the_verdict_on_what_was_before(repository: Path) -> None:
    states = [tree_state(str(repository))]
    (repository / "kept.py").write_text("two\n")
    states.append(tree_state(str(repository)))
    (repository / "kept.py").write_text("six\n")  # the same size, the same status line
    states.append(tree_state(str(repository)))
    git(repository, "commit", "-qam", "second")
    states.append(tree_state(str(repository)))
    (repository / "new file.py").write_text("x")
    states.append(tree_state(str(repository)))
    (repository / "new file.py").write_text("y")
    states.append(tree_state(str(repository)))
    assert len(set(states)) == len(states)


def test_a_change_elsewhere_in_the_repository_counts(repository: Path) -> None:
    before = tree_state(str(repository / "inner"))
    (repository / "kept.py").write_text("changed\n")
    assert tree_state(str(repository / "inner")) != before


def test_a_repositorys_own_configuration_runs_nothing(repository: Path) -> None:
    trap = repository.parent / f"{repository.name}-sprung"
    hook = repository / "trap.sh"
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o700)
    git(repository, "config", "core.fsmonitor", str(hook))
    tree_state(str(repository))
    assert not trap.exists()


def test_a_broken_repository_allows_no_reuse(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert tree_state(str(tmp_path)) is None
