"""Validate values for the command lines of both programs."""

from __future__ import annotations

import os
import re

from llm_gateway import error_for

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")


def check(valid: object, message: str) -> None:
    """Raise InvalidRequest with this message unless the value is true."""
    if not valid:
        raise error_for("invalid_request", message)


def model(name: str) -> str:
    """Return the name of a model. Raises InvalidRequest."""
    check(_MODEL.fullmatch(name), f"not a model name: {name[:80]!r}")
    return name


def directory(path: str) -> str:
    """Return a directory to add. Raises InvalidRequest."""
    check(os.path.isabs(path) and "\0" not in path, "addDirs must be absolute paths")
    return path
