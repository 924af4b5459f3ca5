"""What is collected of a repository, and what a hostile one cannot make us do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_review import evidence
from llm_gateway_extension_review.evidence import collect, settle

QUIET = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def run_git(place: Path, *arguments: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, *arguments], cwd=place, env=QUIET, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    place = tmp_path / "repo"
    place.mkdir()
    run_git(place, "init", "-q", "-b", "main")
    (place / "code.py").write_text("one\n")
    run_git(place, "add", ".")
    run_git(place, "commit", "-qm", "first")
    return place


def uncommitted(place: Path) -> str:
    return collect(str(place), settle(str(place), None, True, (), None), "", again=False).text


def test_uncommitted_changes_are_those_of_git_and_new_files(repo: Path) -> None:
    (repo / "code.py").write_text("two\n")
    (repo / "new.py").write_text("three\n")
    (repo / ".gitignore").write_text("*.log\n")
    (repo / "noise.log").write_text("four\n")
    (repo / "sub").mkdir()
    text = uncommitted(repo / "sub")
    assert "-one\n+two" in text
    assert "=== new.py\nthree" in text
    assert "four" not in text


def test_a_range_is_pinned_and_after_a_fix_reaches_to_the_working_tree(repo: Path) -> None:
    run_git(repo, "switch", "-qc", "work")
    (repo / "code.py").write_text("two\n")
    run_git(repo, "commit", "-qam", "second")
    scope = settle(str(repo), "main...work", False, (), None)
    assert scope.base == run_git(repo, "rev-parse", "main")
    (repo / "code.py").write_text("three\n")
    assert "+two" in collect(str(repo), scope, "", again=False).text
    assert "+three" in collect(str(repo), scope, "", again=True).text


def test_a_repository_without_commits_is_all_new(tmp_path: Path) -> None:
    run_git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("one\n")
    assert "=== code.py\none" in uncommitted(tmp_path)


def test_nothing_that_a_repository_configures_is_run(repo: Path, tmp_path: Path) -> None:
    bell = tmp_path / "rung"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\necho $0 $1 >> {bell}\ncat\n")
    evil.chmod(0o700)
    (repo / ".gitattributes").write_text("*.py diff=evil filter=evil\n*.txt filter=e=v.il\n")
    (repo / "words.txt").write_text("one\n")
    run_git(repo, "add", ".")
    run_git(repo, "commit", "-qm", "attributes")
    for name in (
        "diff.external",
        "core.pager",
        "core.fsmonitor",
        "diff.evil.command",
        "diff.evil.textconv",
        "core.sshCommand",
    ):
        run_git(repo, "config", name, str(evil))
    for name in ("evil", "e=v.il"):
        for kind in ("clean", "smudge", "process"):
            run_git(repo, "config", f"filter.{name}.{kind}", str(evil))
        run_git(repo, "config", f"filter.{name}.required", "true")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-index-change").write_bytes(evil.read_bytes())
    (hooks / "post-index-change").chmod(0o700)
    run_git(repo, "config", "core.hooksPath", str(hooks))
    bell.unlink(missing_ok=True)
    (repo / "code.py").write_text("two\n")
    (repo / "words.txt").write_text("two\n")
    text = uncommitted(repo)
    assert text.count("-one\n+two") == 2
    assert not bell.exists(), bell.read_text()


def test_a_repository_that_lies_about_its_place_is_seen_as_it_is(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    run_git(repo, "config", "core.worktree", str(tmp_path))
    (repo / "code.py").write_text("two\n")
    text = uncommitted(repo)
    assert "-one\n+two" in text
    assert "secret" not in text


def test_a_hooks_environment_does_not_lead_astray(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a pre-push hook of another repository."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    (repo / "code.py").write_text("two\n")
    assert "+two" in uncommitted(repo)


def test_no_link_leads_out_and_what_is_no_text_is_named_alone(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    (repo / "link.py").symlink_to(tmp_path / "secret")
    (repo / "data.bin").write_bytes(b"a\0b")
    os.mkfifo(repo / "pipe")
    text = uncommitted(repo)
    assert "secret\n" not in text.replace(str(tmp_path), "")
    assert "=== data.bin (not text" in text
    with pytest.raises(InvalidRequest, match="outside"):
        settle(str(repo), None, False, ("link.py",), None)


def test_what_is_too_long_is_cut_and_says_so(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_BYTES", 10_000)
    (repo / "code.py").write_text("x" * 50_000)
    found = collect(str(repo), settle(str(repo), None, True, (), None), "", again=False)
    assert found.cut
    assert len(found.text) <= 10_000


def test_a_folder_without_git_can_give_files_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n")
    with pytest.raises(InvalidRequest):
        uncommitted(tmp_path)
    scope = settle(str(tmp_path), None, False, ("a.py",), None)
    assert "=== a.py\none" in collect(str(tmp_path), scope, "", again=False).text
