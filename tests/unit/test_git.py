"""Git is asked in repositories that nobody trusts: nothing that they name is run, and no other repository is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_gateway.git import GitError, Repository, find_place, open_repository
from llm_gateway_extension_builtin.demo.diff import change_to_review
from tests.repositories import git, make_repository

STATUS = ["status", "--porcelain", "-z", "--untracked-files=all"]


def ask_everything(directory: Path) -> bytes:
    """Every command that the gateway and its plugins use."""
    with open_repository(directory) as repository:
        repository.use_file_settings_of_user()
        told = repository.run(STATUS, most_bytes=100_000)
        for command in (
            ["ls-files", "-s", "-v", "-z"],
            ["ls-files", "--others", "--exclude-standard", "-z"],
            ["diff", "HEAD", "--"],
            ["diff", "--submodule=short", "--ignore-submodules=dirty", "HEAD", "--"],
            ["diff", "--cached", "--"],
            ["log", "-p", "-1"],
            ["rev-parse", "--verify", "HEAD"],
            ["ls-tree", "-r", "-z", "--full-tree", "HEAD"],
            ["diff-tree", "-r", "-z", "--raw", "--no-renames", "HEAD", "HEAD"],
        ):
            repository.run(command, most_bytes=1_000_000)
        return told


def append_config(file: Path, key: str, value: str) -> None:
    """Set a key whose name holds anything at all."""
    section, _, rest = key.partition(".")
    name, _, variable = rest.rpartition(".")
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    head = f'[{section} "{quoted}"]' if name else f"[{section}]"
    with file.open("a", encoding="utf-8") as config:
        config.write(f"{head}\n\t{variable} = {value}\n")


PROGRAM_KEYS = [
    "core.fsmonitor", "core.pager", "core.editor", "core.askPass", "core.sshCommand", "core.gitProxy",
    "core.alternateRefsCommand", "diff.external", "pager.diff", "pager.log", "pager.status", "credential.helper",
    "gpg.program", "gpg.ssh.program", "sequence.editor", "alias.status", "alias.diff",
]  # fmt: skip


@pytest.mark.parametrize("key", PROGRAM_KEYS)
def test_lesson_102_no_setting_of_a_repository_starts_a_program(repository: Path, planted: Path, key: str) -> None:
    append_config(repository / ".git/config", key, f"!{planted}" if key.startswith("alias.") else str(planted))
    (repository / "file").write_text("two\n")
    assert ask_everything(repository)


@pytest.mark.parametrize("kind", ["clean", "smudge", "process"])
@pytest.mark.parametrize("name", ["evil", "a=b", "Evil.one", "x y", "-c", "é", "a\\b"])
def test_lesson_102_no_filter_is_run_whatever_its_name(repository: Path, planted: Path, name: str, kind: str) -> None:
    append_config(repository / ".git/config", f"filter.{name}.{kind}", str(planted))
    append_config(repository / ".git/config", f"filter.{name}.required", "true")
    (repository / ".gitattributes").write_text(f'file filter={name}\n"file" filter={name}\n* diff={name}\n')
    (repository / "file").write_text("two\n")
    assert ask_everything(repository)


@pytest.mark.parametrize("key", ["diff.evil.textconv", "diff.evil.command", "merge.evil.driver"])
def test_no_driver_that_an_attribute_names_is_run(repository: Path, planted: Path, key: str) -> None:
    append_config(repository / ".git/config", key, str(planted))
    (repository / ".git/info").mkdir(exist_ok=True)
    (repository / ".git/info/attributes").write_text("* diff=evil merge=evil filter=evil\n")
    (repository / "file").write_text("two\n")
    assert ask_everything(repository)


def test_lesson_102_the_configuration_of_a_worktree_and_included_files_are_not_read(
    repository: Path, planted: Path
) -> None:
    (repository / "more").write_text(f'[filter "more"]\n\tclean = {planted}\n[core]\n\tfsmonitor = {planted}\n')
    append_config(repository / ".git/config", "extensions.worktreeConfig", "true")
    append_config(repository / ".git/config", "include.path", "../more")
    append_config(repository / ".git/config", "includeIf.gitdir:/.path", str(repository / "more"))
    append_config(repository / ".git/config.worktree", "filter.tree.clean", str(planted))
    append_config(repository / ".git/config.worktree", "core.fsmonitor", str(planted))
    (repository / ".gitattributes").write_text("file filter=more\nfile filter=tree\n")
    (repository / "file").write_text("two\n")
    assert ask_everything(repository)


def test_lesson_102_a_submodules_own_configuration_is_not_read(repository: Path, planted: Path, tmp_path: Path) -> None:
    inner = make_repository(tmp_path / "inner")
    git(repository, "submodule", "--quiet", "add", str(inner), "sub")
    git(repository, "commit", "-qm", "sub")
    for key in ("core.fsmonitor", "filter.evil.clean"):
        append_config(repository / ".git/modules/sub/config", key, str(planted))
    (repository / "sub/.gitattributes").write_text("* filter=evil\n")
    (repository / "sub/file").write_text("two\n")
    ask_everything(repository)
    ask_everything(repository / "sub")


def test_git_alone_springs_such_traps(repository: Path, tmp_path: Path) -> None:
    planted, mark = tmp_path / "planted", tmp_path / "sprung"
    planted.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    planted.chmod(0o755)
    append_config(repository / ".git/config", "filter.a=b.clean", str(planted))
    (repository / ".gitattributes").write_text("file filter=a=b\n")
    (repository / "file").write_text("two\n")
    git(repository, "diff", "HEAD")
    assert mark.exists()


def test_no_hook_is_run(repository: Path, planted: Path) -> None:
    hooks = repository / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc"):
        (hooks / name).write_bytes(planted.read_bytes())
        (hooks / name).chmod(0o755)
    os.utime(repository / "file", (1, 1))
    ask_everything(repository)


def test_nothing_is_fetched_for_a_partial_clone(repository: Path, planted: Path) -> None:
    append_config(repository / ".git/config", "core.repositoryFormatVersion", "1")
    append_config(repository / ".git/config", "extensions.partialClone", "evil")
    append_config(repository / ".git/config", "remote.evil.url", f"ext::{planted}")
    append_config(repository / ".git/config", "remote.evil.promisor", "true")
    append_config(repository / ".git/config", "remote.evil.uploadpack", str(planted))
    blob = git(repository, "rev-parse", "HEAD:file")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    (repository / "file").write_text("two\n")
    with open_repository(repository) as opened, pytest.raises(GitError):
        opened.run(["diff", "HEAD"], most_bytes=10_000)


def test_the_demo_looks_at_a_repository_in_the_same_way(
    repository: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_config(repository / ".git/config", "log.showSignature", "true")
    append_config(repository / ".git/config", "gpg.program", str(planted))
    signature = "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n"
    commit = git(repository, "cat-file", "commit", "HEAD").replace("\n\n", signature, 1)
    (repository.parent / "commit").write_text(f"{commit}\n")
    git(repository, "update-ref", "HEAD", git(repository, "hash-object", "-t", "commit", "-w", "../commit"))
    monkeypatch.chdir(repository)
    title, diff = change_to_review()
    assert title.endswith(" one")
    assert "+one" in diff


@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_a_planted_git_is_not_run(repository: Path, planted: Path, entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "bin").mkdir()
    for place in (repository / "git", repository / "bin/git", repository / "git-status", repository / "bin/git-status"):
        place.write_bytes(planted.read_bytes())
        place.chmod(0o755)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", os.pathsep.join([entry, os.environ["PATH"]]))
    assert ask_everything(repository)


def test_git_variables_of_the_environment_change_nothing(
    repository: Path, planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "file").write_text("two\n")
    before = ask_everything(repository)
    other = make_repository(tmp_path / "other")
    for name in ("GIT_DIR", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(other / ".git"))
    for name in ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_EDITOR", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(name, str(planted))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.fsmonitor={planted}'")
    monkeypatch.setenv("GIT_EXEC_PATH", str(planted.parent))
    assert ask_everything(repository) == before


def test_git_sees_no_credentials(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = tmp_path / "bin"
    shown.mkdir()
    (shown / "git").write_text("#!/bin/sh\nenv\n")
    (shown / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{shown}:{os.environ['PATH']}")
    monkeypatch.setenv("SECRET_API_KEY", "canary")
    with open_repository(repository) as opened:
        assert b"canary" not in opened.run(["status"], most_bytes=100_000)


# --------------------------------------------------------------------------------------------- which repository is read


def test_a_directory_outside_of_git_has_no_repository(tmp_path: Path) -> None:
    assert find_place(tmp_path) is None
    with pytest.raises(GitError, match=re.escape(str(tmp_path))), open_repository(tmp_path):
        pass


def test_a_linked_worktree_and_a_submodule_are_found(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    inner = make_repository(tmp_path / "inner")
    git(repository, "submodule", "--quiet", "add", str(inner), "deep/sub")
    (repository / "deep/sub/inside").mkdir()
    for place, top in (
        (tmp_path / "linked", tmp_path / "linked"),
        (repository / "deep/sub/inside", repository / "deep/sub"),
        (repository / "deep", repository),
    ):
        with open_repository(place) as opened:
            assert opened.top == str(top)
            assert opened.run(["rev-parse", "HEAD"], most_bytes=100).decode().strip() == git(top, "rev-parse", "HEAD")


def through_a_symlink(evil: Path, victim: Path) -> None:
    (evil / "x").symlink_to(victim / ".git")
    (evil / ".git").write_text("gitdir: x\n")


def linked_from_elsewhere(evil: Path, victim: Path) -> None:
    git(victim, "worktree", "add", "-q", "-b", "side", str(victim.parent / "real"))
    [name] = (victim / ".git/worktrees").iterdir()
    (evil / ".git").write_text(f"gitdir: {name}\n")


def own_worktree_of_anothers_objects(evil: Path, victim: Path) -> None:
    forged = evil / "forged/worktrees/x"
    forged.mkdir(parents=True)
    (forged / "gitdir").write_text(f"{evil}/.git\n")
    (forged / "commondir").write_text(f"{victim}/.git\n")
    (forged / "HEAD").write_text("ref: refs/heads/main\n")
    (evil / ".git").write_text("gitdir: forged/worktrees/x\n")


def with_part(part: str) -> Callable[[Path, Path], object]:
    def plant(evil: Path, victim: Path) -> None:
        git(evil, "init", "-q", "-b", "main")
        there = evil / ".git" / part
        there.parent.mkdir(exist_ok=True)
        if there.is_dir():
            for path in sorted(there.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            there.rmdir()
        there.unlink(missing_ok=True)
        there.symlink_to(victim / ".git" / part)

    return plant


ELSEWHERE: dict[str, Callable[[Path, Path], object]] = {
    "a file": lambda evil, victim: (evil / ".git").write_text(f"gitdir: {victim}/.git\n"),
    "a symlink": lambda evil, victim: (evil / ".git").symlink_to(victim / ".git"),
    "a file that leads to a symlink": through_a_symlink,
    "a worktree of another directory": linked_from_elsewhere,
    "a forged worktree": own_worktree_of_anothers_objects,
    "a common directory": lambda evil, victim: (
        git(evil, "init", "-q"),
        (evil / ".git/commondir").write_text(f"{victim}/.git\n"),
    ),
    "alternates": lambda evil, victim: (
        git(evil, "init", "-q"),
        (evil / ".git/objects/info/alternates").write_text(f"{victim}/.git/objects\n"),
    ),
    "linked objects": with_part("objects"),
    "linked references": with_part("refs"),
    "a linked index": with_part("index"),
    "a linked HEAD": with_part("HEAD"),
    "linked packs": with_part("objects/pack"),
}


@pytest.mark.parametrize("way", ELSEWHERE)
def test_no_way_leads_into_another_repository(way: str, repository: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    ELSEWHERE[way](evil, repository)
    with pytest.raises(GitError, match=r"another repository|git"), open_repository(evil) as opened:
        opened.run(["log"], most_bytes=100_000)


def test_what_a_repository_replaces_is_shown_as_it_was_committed(repository: Path) -> None:
    old = git(repository, "rev-parse", "HEAD:file")
    (repository / "other").write_text("harmless\n")
    git(repository, "replace", old, git(repository, "hash-object", "-w", "other"))
    with open_repository(repository) as opened:
        assert opened.run(["show", "HEAD:file"], most_bytes=100) == b"one\n"


# ------------------------------------------------------------------------------------------------------------- bounds


def test_more_output_than_wanted_is_an_error_or_cut(repository: Path) -> None:
    with open_repository(repository) as opened:
        with pytest.raises(GitError, match="more than 3 bytes"):
            opened.run(["rev-parse", "HEAD"], most_bytes=3)
        data, cut = opened.run_cut(["rev-parse", "HEAD"], most_bytes=3)
        assert (len(data), cut) == (3, True)


def test_a_failure_says_what_git_said(repository: Path) -> None:
    with open_repository(repository) as opened, pytest.raises(GitError, match=r"rev-parse failed: fatal: \w+"):
        opened.run(["rev-parse", "--verify", "no-such-commit^{tree}", "--"], most_bytes=10_000)


def test_a_missing_git_is_said(repository: Path) -> None:
    with pytest.raises(GitError, match="not installed"), open_repository(repository, {"PATH": ""}):
        pass


def opened_and_left(directory: Path) -> Repository:
    with open_repository(directory) as opened:
        return opened


def test_nothing_is_left_behind(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    before = sorted(path.name for path in (repository / ".git").rglob("*"))
    ask_everything(repository)
    opened_and_left(repository)
    assert list(scratch.iterdir()) == []
    assert sorted(path.name for path in (repository / ".git").rglob("*")) == before


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_a_repository_of_either_object_format_and_a_split_index_is_read(tmp_path: Path, form: str) -> None:
    place = tmp_path / "other"
    place.mkdir()
    git(place, "init", "-q", f"--object-format={form}")
    (place / "file").write_text("one\n")
    git(place, "add", "file")
    git(place, "commit", "-qm", "one")
    git(place, "update-index", "--split-index")
    (place / "file").write_text("two\n")
    assert ask_everything(place) == b" M file\0"


def test_what_the_user_ignores_everywhere_stays_ignored(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[core]\n\texcludesFile = ~/mine\n")
    (tmp_path / "mine").write_text("*.secret\n")
    (repository / "a.secret").write_text("x")
    (repository / "new").write_text("x")
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_repository(repository) as opened:
        opened.use_file_settings_of_user()
        listed = opened.run(["ls-files", "--others", "--exclude-standard", "-z"], most_bytes=1000)
    assert listed == b"new\0"
