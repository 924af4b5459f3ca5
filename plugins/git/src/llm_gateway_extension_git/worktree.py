"""The state of a git working tree as one digest, so that a changed tree never gets an old answer."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

_GIT_TIMEOUT_S = 20.0
#: A repository's own configuration must not run anything for us.
_QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=false")


def tree_state(directory: str) -> str | None:
    """A digest of HEAD and of every uncommitted change (content, not times). Blocking: 5 ms and up.

    "" outside of git: nothing is assumed. None when git cannot tell: then nothing may be reused.
    """
    path = Path(directory)
    top = next((place for place in (path, *path.parents) if (place / ".git").exists()), None)
    if top is None:
        return ""
    status = _git(
        top,
        *_without_own_filters(top),
        "status",
        "--porcelain=v2",
        "--branch",
        "-z",
        "--untracked-files=all",
        "--no-renames",
    )
    if status is None:
        return None
    digest = hashlib.sha256(status)
    for entry in status.split(b"\0"):
        # `1 XY … path` is a changed file (eight fields before its path), `u` an unmerged one (ten), `?` an untracked one.
        fields = {b"1 ": 8, b"u ": 10, b"? ": 1}.get(entry[:2])
        if fields is not None:
            digest.update(_content(os.path.join(os.fsencode(top), entry.split(b" ", fields)[fields])))
    return digest.hexdigest()


def _without_own_filters(top: Path) -> list[str]:
    """Turn off the programs that the repository's own configuration (not the user's) names for its files."""
    try:
        config = (top / ".git" / "config").read_bytes().lower()
    except OSError:  # a linked worktree: git finds it
        config = b"filter"
    if b"filter" not in config and b"include" not in config:
        return []
    named = _git(
        top, "config", "--local", "--includes", "-z", "--name-only", "--get-regexp", r"^filter\..*\.(clean|process)$"
    )
    keys = [os.fsdecode(key) for key in (named or b"").split(b"\0") if key]
    off = [f"{key}=" for key in keys] + [f"{key.rpartition('.')[0]}.required=false" for key in keys]
    return [word for setting in off for word in ("-c", setting)]


def _program() -> str | None:
    """Git, from an absolute directory of PATH: a working directory cannot plant one."""
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(folder)]
    return shutil.which("git", path=os.pathsep.join(folders))


def _git(directory: Path, *arguments: str) -> bytes | None:
    program = _program()
    if program is None:
        return None
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        return subprocess.check_output(
            [program, *_QUIET, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None


def _content(path: bytes) -> bytes:
    digest = hashlib.sha256(path)
    try:
        if os.path.islink(path):
            digest.update(os.readlink(path))
        else:
            # Not to wait for anybody to write into a named pipe that took a file's place.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                while stat.S_ISREG(os.fstat(file.fileno()).st_mode) and (piece := file.read(1 << 20)):
                    digest.update(piece)
    except OSError as error:  # deleted or unreadable: that it is so belongs to the state
        digest.update(str(error.errno).encode())
    return digest.digest()
