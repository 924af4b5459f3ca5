"""Looking at a repository runs nothing that the repository brings, and waits for nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugins.builtin.tests.git_trees import state
from tests.repositories import git, make_repository


@pytest.mark.parametrize("key", ["fsmonitor", "pager", "sshCommand", "hooksPath", "askPass"])
def test_lesson_83_no_program_of_the_configuration_is_run(repository: Path, planted: Path, key: str) -> None:
    (repository / "file").write_text("two\n")
    git(repository, "config", f"core.{key}", str(planted))
    assert state(repository)


@pytest.mark.parametrize("name", ["evil", "a=b", "Evil.one", "x y"])
@pytest.mark.parametrize("kind", ["clean", "process"])
@pytest.mark.parametrize("where", ["config", "config.worktree", "included", "modules/sub/config"])
def test_lesson_102_no_filter_is_run(
    repository: Path, planted: Path, tmp_path: Path, name: str, kind: str, where: str
) -> None:
    place = repository
    if where.startswith("modules"):
        git(repository, "submodule", "--quiet", "add", str(make_repository(tmp_path / "inner")), "sub")
        place = repository / "sub"
    config = repository / ".git" / where
    with config.open("a") as file:
        file.write(f'[filter "{name}"]\n\t{kind} = {planted}\n\trequired = true\n[core]\n\tfsmonitor = {planted}\n')
    if where == "config.worktree":
        git(repository, "config", "extensions.worktreeConfig", "true")
    if where == "included":
        git(repository, "config", "include.path", "included")
    (place / ".gitattributes").write_text(f"file filter={name}\n")
    before = state(repository)
    (place / "file").write_text("two\n")
    assert before
    assert state(repository) not in (before, None)


@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_a_git_that_lies_in_the_working_directory_is_not_run(
    repository: Path, planted: Path, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "bin").mkdir()
    for place in (repository / "git", repository / "bin" / "git"):
        place.write_bytes(planted.read_bytes())
        place.chmod(0o755)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", os.pathsep.join([entry, os.environ["PATH"]]))
    assert state(repository)


def test_git_variables_of_the_environment_change_nothing(
    repository: Path, planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(repository)
    other = make_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(planted))
    assert state(repository) == before
    (repository / "file").write_text("two\n")
    assert state(repository) not in (before, None)
