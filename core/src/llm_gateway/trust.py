"""The directories whose projects the user trusts: a file in the gateway's home that only `llm-gateway trust` writes."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from llm_gateway.file_cache import read_cached
from llm_gateway.files import make_private, write_atomic

FILE = "trusted.json"
_MOST_BYTES = 1 << 20


class TrustError(Exception):
    """The file cannot be used. The message is one line for the user."""


def trusted_directories(home: Path) -> tuple[str, ...]:
    """Return the trusted directories, sorted. Blocking. Raises TrustError for a file that others can change or that is damaged."""
    path = home / FILE
    try:
        facts = os.lstat(path)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            raise TrustError(f"{path} is not used: it must be a regular file of yours that nobody else can change")
        return read_cached(path, _parse, most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise TrustError(f"{path} cannot be read: {error}") from error


def trusted_root(home: Path, directory: str) -> str:
    """Return the trusted directory that is or contains this one; empty: none. Blocking. Raises TrustError.

    :param directory: absolute, links resolved.
    """
    parents = {directory, *map(str, Path(directory).parents)}
    return next((trusted for trusted in trusted_directories(home) if trusted in parents), "")


def add(home: Path, directory: str) -> None:
    """Trust a directory and all below it. Raises TrustError and OSError."""
    _change(home, lambda known: {*known, directory})


def remove(home: Path, directory: str) -> bool:
    """Trust a directory no longer. Returns whether it was trusted. Raises TrustError and OSError."""
    known = directory in trusted_directories(home)
    _change(home, lambda directories: {*directories} - {directory})
    return known


def _change(home: Path, change: Callable[[tuple[str, ...]], Iterable[str]]) -> None:
    directories = sorted(change(trusted_directories(home)))
    make_private(home)
    write_atomic(home / FILE, json.dumps({"directories": directories}, indent=2).encode() + b"\n", durable=True)


def _parse(data: bytes) -> tuple[str, ...]:
    document = json.loads(data)
    directories = document.get("directories") if isinstance(document, dict) else None
    if not isinstance(directories, list) or not all(isinstance(item, str) for item in directories):
        raise ValueError("it must be a JSON object with a list `directories`")
    return tuple(sorted(directories))
