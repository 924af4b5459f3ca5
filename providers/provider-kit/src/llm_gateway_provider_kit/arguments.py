"""Check a caller's values before they become part of a command line. Every function raises InvalidRequest for a wrong value.

A value that begins with `-` can be read as an option, a NUL byte ends an argument or prevents the start, a line break splits
what a program reads by lines, and the system limits the length of one argument.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from llm_gateway import McpServer, error_for

__all__ = [
    "MAX_ARGUMENT_BYTES", "MODEL", "SERVER", "directory", "effort", "model", "option", "positional", "require",
    "schema", "server_name", "turns", "usd", "utf8",
]  # fmt: skip

#: Bytes of one argument. Linux allows 128 KiB with its terminating NUL (MAX_ARG_STRLEN).
MAX_ARGUMENT_BYTES = 128 * 1024 - 1
#: A name such as `vendor/model-1.5:free`.
MODEL = r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}"
SERVER = r"[A-Za-z0-9_-]{1,64}"
_SHOWN_CHARS = 80
_BREAKS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


def require(valid: object, message: str) -> None:
    """Raise InvalidRequest with this message unless the value is true."""
    if not valid:
        raise error_for("invalid_request", message)


def option(flag: str, value: str) -> str:
    """Return `--flag=value` as one argument, in which the value cannot be read as another option."""
    require("\0" not in value, f"{flag}: a NUL byte cannot be passed to a program")
    require(len(_encoded(value, flag)) + len(flag) < MAX_ARGUMENT_BYTES, f"{flag}: the value is too long")
    return f"{flag}={value}"


def positional(value: str, name: str) -> str:
    """Return a value that a program reads without a flag: one line, not empty, and not like an option."""
    require(value and not value.startswith("-"), f"{name} must not be empty or begin with -: {_shown(value)}")
    require("\0" not in value and not _BREAKS.search(value), f"{name} must be one line without NUL: {_shown(value)}")
    require(len(_encoded(value, name)) <= MAX_ARGUMENT_BYTES, f"{name} is too long")
    return value


def model(name: str, *, pattern: str = MODEL, what: str = "a model name") -> str:
    """Return the name of a model.

    :param pattern: a regular expression for the whole name.
    :param what: what the CLI calls it, for the message.
    """
    require(re.fullmatch(pattern, name), f"not {what}: {_shown(name)}")
    return name


def directory(path: str, *, without: str = "") -> str:
    """Return an absolute path of a directory to add.

    :param without: characters that the CLI cannot take in a path, such as a comma that separates several.
    """
    require(os.path.isabs(path) and "\0" not in path, "addDirs must be absolute paths")
    found = [character for character in without if character in path]
    require(not found, f"this CLI cannot add a directory with {' or '.join(map(repr, found))} in its path")
    return path


def server_name(server: McpServer, title: str, *, pattern: str = SERVER) -> str:
    """Return the name of an MCP server.

    :param title: the CLI, for the message.
    """
    message = f"{title} does not accept this name of an MCP server: {_shown(server.name)}"
    require(re.fullmatch(pattern, server.name), message)
    return server.name


def turns(count: int, most: int | None = None) -> str:
    """Return a limit of turns, at least 1.

    :param most: the largest number that the CLI takes.
    """
    require(count >= 1, "maxTurns must be at least 1" if most is None else f"maxTurns must be between 1 and {most}")
    require(most is None or count <= most, f"maxTurns must be between 1 and {most}")
    return str(count)


def usd(amount: float) -> str:
    """Return a budget in US dollars without an exponent."""
    message = "maxBudgetUsd must be greater than 0, at most 1000000"
    require(0.000001 <= amount <= 1_000_000, message)
    return f"{amount:.6f}".rstrip("0").rstrip(".")


def effort(value: str, known: Collection[str]) -> str:
    """Return a reasoning effort that the CLI knows."""
    require(value in known, f"effort must be one of {', '.join(known)}")
    return value


def schema(value: Mapping[str, Any]) -> str:
    """Return an output schema as JSON on one line."""
    return json.dumps(value, separators=(",", ":"))


def utf8(text: str, name: str = "the prompt") -> bytes:
    """Return a text as UTF-8. Half a character (a lone surrogate) cannot be encoded."""
    return _encoded(text, name)


def _encoded(text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        message = f"{name} contains a lone surrogate, which cannot be encoded as UTF-8: remove it"
        raise error_for("invalid_request", message) from error


def _shown(value: str) -> str:
    return repr(value[:_SHOWN_CHARS])
