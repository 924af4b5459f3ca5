"""Pipes, devices and huge files in the places of files that git reads: a bounded wait, and an error that names the file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_gateway.git import GitError, open_repository
from tests.unit.test_git import STATUS


def test_a_named_pipe_that_git_reads_costs_no_more_than_the_time_allowed(repository: Path) -> None:
    os.mkfifo(repository / ".gitignore")
    with open_repository(repository) as opened, pytest.raises(GitError, match="cannot read"):
        opened.run(STATUS, most_bytes=10_000, timeout_s=0.3)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20 * 1024**3)


@pytest.mark.parametrize("make", [os.mkfifo, huge], ids=["pipe", "huge"])
@pytest.mark.parametrize("folder", [".", "below"])
def test_a_list_of_ignored_files_that_cannot_be_read_is_named(
    make: Callable[[Path], None], folder: str, repository: Path
) -> None:
    (repository / "below").mkdir(exist_ok=True)
    (repository / "below" / "file").write_text("x")
    make(repository / folder / ".gitignore")
    with open_repository(repository) as opened, pytest.raises(GitError, match=r"cannot read .*\.gitignore"):
        opened.run(STATUS, most_bytes=10_000, timeout_s=0.5)


def test_git_does_not_wait_for_a_pipe_until_its_time_limit(repository: Path) -> None:
    (repository / "below").mkdir()
    os.mkfifo(repository / "below" / ".gitignore")
    began = time.monotonic()
    with open_repository(repository) as opened, pytest.raises(GitError, match=r"below/\.gitignore"):
        opened.run(STATUS, most_bytes=10_000, timeout_s=300)
    assert time.monotonic() - began < 150


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
@pytest.mark.parametrize("name", ["HEAD", "index", "packed-refs", "shallow", "info/exclude"])
def test_what_git_would_wait_for_in_its_own_folder_is_refused_at_once(
    make: Callable[[Path], None], name: str, repository: Path
) -> None:
    path = repository / ".git" / name
    path.unlink(missing_ok=True)
    make(path)
    began = time.monotonic()
    with pytest.raises(GitError, match=f"{name} is "), open_repository(repository):
        pass
    assert time.monotonic() - began < 5


def test_a_huge_list_of_excluded_files_is_refused_at_once(repository: Path) -> None:
    huge(repository / ".git" / "info" / "exclude")
    with pytest.raises(GitError, match="exclude has 21,474,836,480 bytes"), open_repository(repository):
        pass
