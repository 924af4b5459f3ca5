"""Repositories that hide a change, which holds the word EVIL, from its reviewers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.repositories import git

ONE, EVIL = "one\n" * 3, "one\nEVIL\none\n"


class Repo:
    """A repository with a commit, and what an attacker does in it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir(exist_ok=True)
        self.git("init", "-q", "-b", "main", "--template=")
        self.write("code.py", ONE)
        self.write("src/more.py", ONE)
        self.commit()

    def git(self, *arguments: str) -> str:
        return git(self.top, *arguments)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "a commit")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def attributes(words: str) -> Callable[[Repo], None]:
    def attack(repo: Repo) -> None:
        repo.write(".gitattributes", f"*.py {words}\n")
        repo.git("config", "diff.evil.command", "true")
        repo.git("config", "diff.evil.textconv", "true")
        repo.git("config", "diff.evil.binary", "true")
        repo.git("config", "filter.evil.clean", f"printf '{ONE.encode('unicode_escape').decode()}'")
        repo.git("add", ".gitattributes")
        repo.git("commit", "-qm", "attributes")
        repo.write("code.py", EVIL)

    return attack


def own_attributes(repo: Repo) -> None:
    repo.write(".git/info/attributes", "* -diff\n*.py binary\n")
    repo.write("code.py", EVIL)


def attributes_beside_it(repo: Repo) -> None:
    repo.write("src/.gitattributes", "* -diff\n")
    repo.write("src/more.py", EVIL)


def in_encoding(encoding: str) -> Callable[[Repo], None]:
    def attack(repo: Repo) -> None:
        repo.write("code.py", ("\ufeff" + EVIL).encode(encoding))
        repo.write("new.py", ("\ufeff" + EVIL).encode(encoding))

    return attack


def flagged(flag: str) -> Callable[[Repo], None]:
    def attack(repo: Repo) -> None:
        repo.git("update-index", flag, "code.py")
        repo.write("code.py", EVIL)

    return attack


def times_set_back(repo: Repo) -> None:
    repo.git("config", "core.trustctime", "false")
    repo.git("config", "core.checkStat", "minimal")
    path = repo.top / "code.py"
    os.utime(path, (1_000_000_000, 1_000_000_000))
    repo.git("update-index", "--refresh")
    path.write_text("EVIL" + ONE[4:])
    os.utime(path, (1_000_000_000, 1_000_000_000))


def staged_alone(repo: Repo) -> None:
    repo.write("code.py", EVIL)
    repo.git("add", "code.py")
    repo.write("code.py", ONE)


def replaced_commit(repo: Repo) -> None:
    old = repo.git("rev-parse", "HEAD")
    repo.write("code.py", EVIL)
    repo.commit()
    new = repo.git("rev-parse", "HEAD")
    repo.git("reset", "-q", "--soft", old)
    repo.git("replace", old, new)


def monitor_that_says_nothing(repo: Repo) -> None:
    repo.write("monitor", "#!/bin/sh\nprintf '1\\0'\n").chmod(0o700)
    repo.commit()
    repo.git("config", "core.fsmonitor", "./monitor")
    repo.git("status")
    repo.write("code.py", EVIL)


def a_few_nul_bytes(repo: Repo) -> None:
    repo.write("code.py", (EVIL + "# a comment\n" * 50).encode() + b"\0\n")


def bytes_of_no_encoding(repo: Repo) -> None:
    repo.write("code.py", b"gr\xfc\xdfe\nEVIL\n")


def intent_to_add(repo: Repo) -> None:
    repo.write("new.py", EVIL)
    repo.git("add", "-N", "new.py")


def link_instead_of_file(repo: Repo) -> None:
    (repo.top / "code.py").unlink()
    (repo.top / "code.py").symlink_to("/somewhere/EVIL")


def new_link(repo: Repo) -> None:
    (repo.top / "link.py").symlink_to("/somewhere/EVIL")


def renamed_and_changed(repo: Repo) -> None:
    repo.git("mv", "code.py", "src/other.py")
    repo.write("src/other.py", EVIL)


def made_executable(repo: Repo) -> None:
    repo.git("config", "core.fileMode", "false")
    repo.write("EVIL.sh", "echo\n")
    repo.commit()
    (repo.top / "EVIL.sh").chmod(0o755)


def behind_a_long_file(repo: Repo) -> None:
    repo.write("a.txt", "long\n" * 200_000)
    repo.write("z.py", EVIL)


def a_submodule(repo: Repo) -> Repo:
    inner = Repo(repo.top.parent / "inner")
    repo.git("submodule", "--quiet", "add", str(inner.top), "sub")
    repo.commit()
    sub = object.__new__(Repo)
    sub.top = repo.top / "sub"
    return sub


def inside_a_submodule(repo: Repo) -> None:
    a_submodule(repo).write("code.py", EVIL)


def committed_inside_a_submodule(repo: Repo) -> None:
    sub = a_submodule(repo)
    repo.git("config", "diff.ignoreSubmodules", "all")
    repo.git("config", "submodule.sub.ignore", "all")
    sub.write("code.py", EVIL)
    sub.commit()


def words_that_end_the_diff(repo: Repo) -> None:
    repo.write("new.py", f"one\n=== ok.py\nfine\ndiff --git a/ok.py b/ok.py\n{EVIL}")


SHOWN = {
    "-diff": attributes("-diff"),
    "binary": attributes("binary"),
    "a diff driver": attributes("diff=evil"),
    "a filter": attributes("filter=evil"),
    "an encoding": attributes("working-tree-encoding=UTF-16"),
    "line ends and ident": attributes("text eol=crlf ident -whitespace"),
    ".git/info/attributes": own_attributes,
    "attributes that are new": attributes_beside_it,
    "UTF-16": in_encoding("utf-16-le"),
    "UTF-16, big endian": in_encoding("utf-16-be"),
    "UTF-32": in_encoding("utf-32-le"),
    "--assume-unchanged": flagged("--assume-unchanged"),
    "--skip-worktree": flagged("--skip-worktree"),
    "times set back": times_set_back,
    "staged alone": staged_alone,
    "a replaced commit": replaced_commit,
    "a monitor": monitor_that_says_nothing,
    "a few NUL bytes": a_few_nul_bytes,
    "bytes of no encoding": bytes_of_no_encoding,
    "intent to add": intent_to_add,
    "a link instead of a file": link_instead_of_file,
    "a new link": new_link,
    "renamed": renamed_and_changed,
    "made executable": made_executable,
    "behind a long file": behind_a_long_file,
    "inside a submodule": inside_a_submodule,
    "committed inside a submodule": committed_inside_a_submodule,
    "a file that looks like a diff": words_that_end_the_diff,
}


def no_text(repo: Repo) -> None:
    repo.write("EVIL.bin", bytes(range(256)) * 4)


def utf_16_without_a_mark(repo: Repo) -> None:
    repo.write("EVIL.py", ONE.encode("utf-16-le"))


def nested_repository(repo: Repo) -> None:
    Repo(repo.top / "lib").write("EVIL.py", EVIL)
    repo.write("code.py", "two\n")


def plain_directory_as_submodule(repo: Repo) -> None:
    repo.write("EVIL/code.py", EVIL)
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.git('rev-parse', 'HEAD')},EVIL")


def excluded_in_git(repo: Repo) -> None:
    repo.write(".git/info/exclude", "EVIL.py\n")
    repo.write("EVIL.py", "evil\n")
    repo.write("code.py", "two\n")


def ignores_itself(repo: Repo) -> None:
    repo.write("EVIL/.gitignore", "*\n")
    repo.write("EVIL/code.py", "evil\n")
    repo.write("code.py", "two\n")


def a_pipe(repo: Repo) -> None:
    repo.write("EVIL.py", ONE)
    repo.commit()
    (repo.top / "EVIL.py").unlink()
    os.mkfifo(repo.top / "EVIL.py")


def too_long(repo: Repo) -> None:
    repo.write("EVIL.txt", "long\n" * 200_000)


def a_submodule_that_leads_elsewhere(repo: Repo) -> None:
    sub = a_submodule(repo)
    other = Repo(repo.top.parent / "other")
    sub.write(".git", f"gitdir: {other.top}/.git\n")
    repo.git("mv", "code.py", "EVIL.py")
    repo.write("code.py", "two\n")


NAMED = {
    "no text": no_text,
    "UTF-16 without a mark": utf_16_without_a_mark,
    "a nested repository": nested_repository,
    "a directory as submodule": plain_directory_as_submodule,
    "excluded in .git": excluded_in_git,
    "ignores itself": ignores_itself,
    "a pipe": a_pipe,
    "too long": too_long,
}


NAMES = {
    "a newline": b"x\ndiff --git a/ok b/ok\n--- a",
    "a heading": b"=== ok.py",
    "an escape": b"x\x1b[2Jy",
    "a quote": b'x" b/ok',
    "writing from right to left": "x\u202egnp.y".encode(),
    "a line separator": "x\u2028=== ok.py".encode(),
    "an invisible letter": "o\u200bk.py".encode(),
    "no encoding": b"gr\xfc\xdfe",
    "a backslash": b"x\\ny",
    "a carriage return": b"x\r=== ok.py",
}


def with_names(name: bytes) -> Callable[[Repo], None]:
    """A tracked file of this name that has changed, and a new one that is no text."""

    def attack(repo: Repo) -> None:
        tracked = os.fsdecode(b"tracked " + name)
        repo.write(tracked, ONE)
        repo.commit()
        repo.write(tracked, EVIL)
        repo.write(os.fsdecode(name), b"\0\1\2")

    return attack
