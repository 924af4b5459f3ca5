"""What may stand in a command line of either program."""

from __future__ import annotations

import os
import re

from llm_gateway import error_for

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")


def check(right: object, message: str) -> None:
    """Raise InvalidRequest with this message, unless it is right."""
    if not right:
        raise error_for("invalid_request", message)


def model(name: str) -> str:
    """A model's name, or InvalidRequest."""
    check(_MODEL.fullmatch(name), f"not a model's name: {name[:80]!r}")
    return name


def directory(path: str) -> str:
    """A directory to add, or InvalidRequest."""
    check(os.path.isabs(path) and "\0" not in path, "addDirs must be absolute paths")
    return path
