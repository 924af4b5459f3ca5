"""What plugins ask of git beyond listing: with input, in an empty repository, and about upstreams."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_gateway.git import GitError, open_repository, open_scratch
from tests.repositories import git


def test_git_is_given_input(repository: Path) -> None:
    with open_repository(repository) as opened:
        names = ["HEAD:file", "HEAD:nothing"]
        told = opened.run(["cat-file", "--batch"], most_bytes=1000, data="\n".join(names).encode())
        large = opened.run(["hash-object", "--stdin"], most_bytes=1000, data=b"x" * 5_000_000)
    assert b"one\n" in told
    assert b"HEAD:nothing missing" in told
    assert len(large.strip()) == 40


def test_a_scratch_repository_is_empty_and_nobodys_attributes_or_settings_hold_in_it(
    tmp_path: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "attributes").write_text("* -diff\n")
    (home / ".gitconfig").write_text(
        f"[diff]\nexternal = {planted}\n[core]\nattributesFile = {home}/.config/git/attributes\n"
    )
    here = tmp_path / "here"
    here.mkdir()
    (here / ".gitattributes").write_text("* -diff\n")
    monkeypatch.chdir(here)
    monkeypatch.setenv("GIT_DIR", str(here))
    sides = []
    for reference, text in (("old", "one\n"), ("new", "two\n")):
        files = {".gitattributes": "* -diff\n", "file": text}
        puts = "".join(f"M 100644 inline {name}\ndata {len(data)}\n{data}\n" for name, data in files.items())
        sides.append(f"commit refs/heads/{reference}\ncommitter x <> 0 +0000\ndata 0\n{puts}")
    with open_scratch({"PATH": os.environ["PATH"], "HOME": str(home)}) as scratch:
        assert scratch.run(["for-each-ref"], most_bytes=1000) == b""
        scratch.run(["fast-import", "--quiet"], most_bytes=1000, data="".join(sides).encode())
        told = scratch.run(["diff", "refs/heads/old", "refs/heads/new", "--"], most_bytes=1000)
        place = Path(scratch.top)
    assert b"-one\n+two" in told
    assert not place.exists()


def test_a_branch_has_its_upstream_and_nothing_else_of_its_remote(
    repository: Path, tmp_path: Path, planted: Path
) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    git(clone, "switch", "-qc", "Work/größer", "--track", "origin/main")
    git(clone, "config", "remote.origin.uploadpack", str(planted))
    git(clone, "config", "remote.origin.vcs", str(planted))
    with open_repository(clone) as opened:
        with pytest.raises(GitError):
            opened.run(["rev-parse", "--verify", "@{upstream}"], most_bytes=100)
        opened.use_upstreams()
        told = opened.run(["rev-parse", "--symbolic-full-name", "@{upstream}"], most_bytes=100)
        with pytest.raises(GitError):
            opened.run(["fetch", "origin"], most_bytes=1000)
    assert told.strip() == b"refs/remotes/origin/main"
