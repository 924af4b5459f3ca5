"""The collected material of a repository, also of a hostile one."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_review import evidence
from llm_gateway_extension_review.decoding import quoted, shown
from llm_gateway_extension_review.evidence import collect, settle
from tests.repositories import git, make_repository


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", name="code.py")


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


def test_a_range_is_resolved_and_after_a_fix_compared_with_the_working_tree(repo: Path) -> None:
    git(repo, "switch", "-qc", "work")
    (repo / "code.py").write_text("two\n")
    git(repo, "commit", "-qam", "second")
    scope = settle(str(repo), "main...work", False, (), None)
    assert scope.base == git(repo, "rev-parse", "main")
    (repo / "code.py").write_text("three\n")
    assert "+two" in collect(str(repo), scope, "", again=False).text
    assert "+three" in collect(str(repo), scope, "", again=True).text


def test_in_a_repository_without_commits_all_files_are_new(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("one\n")
    assert "=== code.py\none" in uncommitted(tmp_path)


def test_no_program_in_a_repositorys_configuration_is_run(repo: Path, tmp_path: Path) -> None:
    mark = tmp_path / "level"
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\necho $0 $1 >> {mark}\ncat\n")
    evil.chmod(0o700)
    (repo / ".gitattributes").write_text("*.py diff=evil filter=evil\n*.txt filter=e=v.il\n")
    (repo / "words.txt").write_text("one\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "attributes")
    for name in (
        "diff.external",
        "core.pager",
        "core.fsmonitor",
        "diff.evil.command",
        "diff.evil.textconv",
        "core.sshCommand",
    ):
        git(repo, "config", name, str(evil))
    for name in ("evil", "e=v.il"):
        for kind in ("clean", "smudge", "process"):
            git(repo, "config", f"filter.{name}.{kind}", str(evil))
        git(repo, "config", f"filter.{name}.required", "true")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-index-change").write_bytes(evil.read_bytes())
    (hooks / "post-index-change").chmod(0o700)
    git(repo, "config", "core.hooksPath", str(hooks))
    mark.unlink(missing_ok=True)
    (repo / "code.py").write_text("two\n")
    (repo / "words.txt").write_text("two\n")
    text = uncommitted(repo)
    assert text.count("-one\n+two") == 2
    assert not mark.exists(), mark.read_text()


def test_a_wrong_worktree_setting_of_a_repository_is_ignored(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    git(repo, "config", "core.worktree", str(tmp_path))
    (repo / "code.py").write_text("two\n")
    text = uncommitted(repo)
    assert "-one\n+two" in text
    assert "secret" not in text


def test_git_variables_of_a_hook_are_ignored(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a pre-push hook of another repository."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/bin/false")
    (repo / "code.py").write_text("two\n")
    assert "+two" in uncommitted(repo)


def test_links_are_not_followed_and_binary_files_are_only_named(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret\n")
    (repo / "link.py").symlink_to(tmp_path / "secret")
    (repo / "data.bin").write_bytes(b"a\0b")
    os.mkfifo(repo / "pipe")
    text = uncommitted(repo)
    assert "secret\n" not in text.replace(str(tmp_path), "")
    assert "=== data.bin (not text" in text
    with pytest.raises(InvalidRequest, match="outside"):
        settle(str(repo), None, False, ("link.py",), None)


@pytest.mark.parametrize("name", [".gitattributes", "sub/.gitattributes", ".git/info/attributes", "sub/new"])
@pytest.mark.parametrize("kind", ["pipe", "huge", "link to a device"])
def test_odd_files_of_a_repository_hold_up_no_review(name: str, kind: str, repo: Path) -> None:
    (repo / "sub").mkdir()
    (repo / "code.py").write_text("two\n")
    odd = repo / name
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "huge":
        with odd.open("wb") as file:
            file.truncate(4 * 1024**3)
    else:
        odd.symlink_to("/dev/zero")
    began = time.monotonic()
    assert "-one\n+two" in uncommitted(repo)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("name", [".git/info/exclude", ".git/index", ".git/packed-refs"])
def test_a_pipe_in_the_repositorys_own_folder_is_named_and_holds_up_no_review(name: str, repo: Path) -> None:
    (repo / name).unlink(missing_ok=True)
    os.mkfifo(repo / name)
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="is no regular file"):
        uncommitted(repo)
    assert time.monotonic() - began < 10


def test_long_material_is_cut_and_marked(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_BYTES", 10_000)
    (repo / "code.py").write_text("x" * 50_000)
    found = collect(str(repo), settle(str(repo), None, True, (), None), "", again=False)
    assert found.cut
    assert len(found.text) <= 10_000


def test_without_git_only_files_can_be_reviewed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n")
    with pytest.raises(InvalidRequest):
        uncommitted(tmp_path)
    scope = settle(str(tmp_path), None, False, ("a.py",), None)
    assert "=== a.py\none" in collect(str(tmp_path), scope, "", again=False).text


def found_in(place: Path) -> evidence.Evidence:
    return collect(str(place), settle(str(place), None, True, (), None), "", again=False)


def test_a_repository_with_sha256_is_compared_too(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256")
    (tmp_path / "code.py").write_text("one\n")
    (tmp_path / "same.py").write_text("same\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "code.py").write_text("two\n")
    text = uncommitted(tmp_path)
    assert "-one\n+two" in text
    assert "same" not in text


def test_unchanged_files_are_not_reported(repo: Path) -> None:
    (repo / "run.sh").write_text("echo\n")
    (repo / "run.sh").chmod(0o755)
    (repo / "link").symlink_to("code.py")
    (repo / "empty").touch()
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "kinds")
    os.utime(repo / "code.py", (1, 1))
    with pytest.raises(InvalidRequest, match="nothing to review"):
        uncommitted(repo)


def test_a_file_of_git_lfs_is_changed_only_if_its_content_differs(repo: Path) -> None:
    data = os.urandom(5000)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(data).hexdigest()}\nsize 5000\n"
    (repo / "big.bin").write_text(pointer)
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "a pointer")
    (repo / "big.bin").write_bytes(data)
    with pytest.raises(InvalidRequest, match="nothing to review"):
        uncommitted(repo)
    (repo / "big.bin").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    found = found_in(repo)
    assert any("big.bin" in note for note in found.notes)


def test_changed_line_ends_and_modes_are_named_and_many_are_combined(repo: Path) -> None:
    (repo / "code.py").write_bytes(b"one\r\n")
    text = uncommitted(repo)
    assert "=== code.py (its lines end with CR LF now)" in text
    (repo / "code.py").write_bytes(b"two\r\n")
    text = uncommitted(repo)
    assert "-one\n+two\n" in text
    assert "CR LF" in text
    for number in range(60):
        (repo / f"{number}.txt").write_text("x\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "many")
    for number in range(60):
        (repo / f"{number}.txt").chmod(0o755)
    text = uncommitted(repo)
    assert text.count("===") == 1
    assert "new mode 100755" in text
    assert all(f"- {number}.txt" in text for number in range(60))


def test_files_that_are_not_checked_out_are_not_deletions(repo: Path) -> None:
    (repo / "other.py").write_text("other\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "two files")
    git(repo, "update-index", "--skip-worktree", "other.py")
    (repo / "other.py").unlink()
    (repo / "code.py").write_text("two\n")
    found = found_in(repo)
    assert "other" not in found.text
    assert any("sparse" in note for note in found.notes)


def test_a_file_with_a_conflict_is_shown_as_it_is(repo: Path) -> None:
    git(repo, "switch", "-qc", "work")
    (repo / "code.py").write_text("two\n")
    git(repo, "commit", "-qam", "second")
    git(repo, "switch", "-q", "main")
    (repo / "code.py").write_text("three\n")
    git(repo, "commit", "-qam", "third")
    with pytest.raises(subprocess.CalledProcessError):
        git(repo, "merge", "work")
    assert "+<<<<<<<" in uncommitted(repo)


def test_a_deleted_file_and_one_behind_a_link_are_deletions(repo: Path, tmp_path: Path) -> None:
    (repo / "src").mkdir()
    (repo / "src" / "more.py").write_text("more\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "a folder")
    elsewhere = tmp_path / "elsewhere"
    (repo / "src").rename(elsewhere)
    (repo / "src").symlink_to(elsewhere)
    (elsewhere / "more.py").write_text("secret\n")
    text = uncommitted(repo)
    assert "-more" in text
    assert "secret" not in text
    assert "=== src (a symlink to" in text


def test_short_changes_are_shown_even_with_long_ones(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_BYTES", 20_000)
    (repo / "code.py").write_text("long\n" * 100_000)
    for name in ("a.txt", "z.txt"):
        (repo / name).write_text("long\n" * 100_000)
    (repo / "m.py").write_text("short\n")
    found = found_in(repo)
    assert "=== m.py\nshort\n" in found.text
    assert len(found.text.encode()) <= 20_000
    assert found.cut
    assert {name for name in ("code.py", "a.txt", "z.txt") if any(name in note for note in found.notes)} == {
        *("code.py", "a.txt", "z.txt")
    }


@given(st.binary(max_size=80))
def test_a_quoted_name_is_one_visible_line_and_unique(name: bytes) -> None:
    text = quoted(name)
    assert text.isprintable()
    if name and text.startswith('"'):
        spelled = text[1:-1].encode("ascii").decode("unicode_escape").encode("latin-1")
        assert spelled == name
    elif name:
        assert text.encode() == name


@given(st.binary(max_size=300))
def test_content_is_shown_without_control_characters_or_not_at_all(data: bytes) -> None:
    text = shown(data)
    if text is not None:
        assert not set(text) & {chr(number) for number in range(32)} - set("\t\n\r\b\f\x1b")
        text.encode()


@given(
    st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]),
)
def test_text_with_a_byte_order_mark_is_decoded(text: str, encoding: str) -> None:
    mark = "" if encoding == "utf-8" else "\ufeff"
    assert shown((mark + text).encode(encoding)) == text
