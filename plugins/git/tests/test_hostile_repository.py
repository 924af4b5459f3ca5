"""Looking at a repository runs nothing that the repository brings, and waits for nobody."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llm_gateway_extension_git.worktree import tree_state


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    place.mkdir()
    (place / "file").write_text("one\n")
    git(place, "init", "-q")
    git(place, "add", "file")
    git(place, "-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "one")
    return place


def git(place: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=place, check=True, timeout=20)


def planted(repository: Path) -> Path:
    """A program of the repository's, that leaves a mark when it runs."""
    script = repository.parent / "planted"
    script.write_text(f"#!/bin/sh\ntouch {repository.parent}/mark\ncat\n")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    "settings",
    [
        {"core.fsmonitor": "{script}"},
        {"filter.evil.clean": "{script}"},
        {"filter.evil.process": "{script}", "filter.evil.required": "true"},
        {"filter.Evil.one.clean": "{script}"},
        {"diff.external": "{script}"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_lesson_83_no_program_that_a_repository_names_is_run(repository: Path, settings: dict[str, str]) -> None:
    script = planted(repository)
    for key, value in settings.items():
        git(repository, "config", key, value.format(script=script))
    (repository / ".gitattributes").write_text("* filter=evil filter=evil diff=evil\nfile filter=evil\n")
    if "filter.Evil.one.clean" in settings:
        (repository / ".gitattributes").write_text("* filter=Evil.one\n")
    before = tree_state(str(repository))
    (repository / "file").write_text("two\n")
    assert before
    assert tree_state(str(repository)) not in (before, None)
    assert not (repository.parent / "mark").exists()


def test_a_filter_that_is_included_from_another_file_is_not_run_either(repository: Path) -> None:
    script = planted(repository)
    (repository / "more").write_text(f'[filter "evil"]\n\tclean = {script}\n')
    git(repository, "config", "include.path", "../more")
    (repository / ".gitattributes").write_text("* filter=evil\n")
    (repository / "file").write_text("two\n")
    assert tree_state(str(repository))
    assert not (repository.parent / "mark").exists()


@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_a_git_that_lies_in_the_working_directory_is_not_run(
    repository: Path, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "bin").mkdir()
    for place in (repository / "git", repository / "bin" / "git"):
        place.write_bytes(planted(repository).read_bytes())
        place.chmod(0o755)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", os.pathsep.join([entry, os.environ["PATH"]]))
    assert tree_state(str(repository))
    assert not (repository.parent / "mark").exists()


def test_a_named_pipe_in_the_place_of_a_file_is_not_waited_for(repository: Path) -> None:
    before = tree_state(str(repository))
    (repository / "file").unlink()
    os.mkfifo(repository / "file")
    assert tree_state(str(repository)) != before
