"""The state of a git working tree as one digest, so that a changed tree never gets an old answer."""

from __future__ import annotations

import hashlib
import os
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
    status = _git(top, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames")
    if status is None:
        return None
    digest = hashlib.sha256(status)
    for entry in status.split(b"\0"):
        # `1 XY … path` is a changed file (eight fields before its path), `u` an unmerged one (ten), `?` an untracked one.
        fields = {b"1 ": 8, b"u ": 10, b"? ": 1}.get(entry[:2])
        if fields is not None:
            digest.update(_content(os.path.join(os.fsencode(top), entry.split(b" ", fields)[fields])))
    return digest.hexdigest()


def _git(directory: Path, *arguments: str) -> bytes | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        return subprocess.check_output(
            ["git", *_QUIET, *arguments],  # noqa: S607
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
            with open(path, "rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
    except OSError as error:  # deleted or unreadable: that it is so belongs to the state
        digest.update(str(error.errno).encode())
    return digest.digest()
