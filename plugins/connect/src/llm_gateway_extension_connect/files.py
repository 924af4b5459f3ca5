"""Reading another program's configuration file, and replacing it atomically."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from llm_gateway.errors import InvalidRequest
from llm_gateway.files import make_private, read_regular, sync_file

#: Behind the name of a file: what stood in it before we came.
BEFORE = ".before-llm-gateway"
_MOST_BYTES = 64 << 20


def read(path: Path) -> str | None:
    """What a file says; None where there is none. Raises InvalidRequest for one that cannot be read."""
    try:
        return read_regular(path, most_bytes=_MOST_BYTES, follow=True).decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidRequest(f"{path} cannot be read: {problem}") from problem


def replace(path: Path, *, was: str | None, text: str | None) -> None:
    """Change a file from one text to another in one step; None: it is not there. Keeps its mode, and follows links.

    Raises InvalidRequest when the file has changed since it was read, or cannot be written.
    """
    target = path.resolve()
    try:
        if text is None:
            _unchanged(target, was)
            target.unlink(missing_ok=True)
            return
        make_private(target.parent)
        mode = 0o600 if was is None else stat.S_IMODE(target.stat().st_mode)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                file.flush()
                sync_file(file.fileno())
            os.chmod(name, mode)
            _unchanged(target, was)
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise InvalidRequest(f"{path} cannot be written: {problem.strerror or problem}") from problem


def _unchanged(target: Path, was: str | None) -> None:
    if read(target) != was:
        raise InvalidRequest(
            f"{target} has just been changed by another program; nothing was done.", recovery="Call the command again."
        )


def backup_of(path: Path) -> Path:
    """Where the text is kept that stood in a file before we came: beside it."""
    target = path.resolve()
    return target.with_name(target.name + BEFORE)


def keep(path: Path, text: str | None) -> None:
    """Keep this text beside the file, as private as the file is; None: keep none."""
    backup = backup_of(path)
    was = read(backup)
    if text == was:
        return
    replace(backup, was=was, text=text)
    if text is not None:
        backup.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600)
