"""What an entry of `allowedTools` opens. Pure: a provider says it in these words, a policy judges it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import Enum


class Access(str, Enum):
    """What an allowed tool lets a run do without asking."""

    EVERYTHING = "everything"  #: every tool
    SHELL = "shell"  #: any program
    SHELL_COMMAND = "shell_command"  #: some programs
    LOOK = "look"  #: look at files
    EDIT = "edit"  #: make and change files
    SERVER = "server"  #: a tool of an MCP server
    OTHER = "other"  #: what neither looks at files nor edits them
    UNKNOWN = "unknown"  #: the provider does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One entry of `allowedTools`, and what it opens."""

    entry: str  #: as the caller wrote it
    access: Access
    #: With LOOK and EDIT: directories and files, absolute or with `~`, that together hold everything it opens. Empty: nothing
    #: outside of the working directory and the added ones, because the CLI or the way it is called holds it there.
    places: tuple[str, ...] = ()


EVERYWHERE = (os.sep,)
_META = re.compile(r"[*?\[\]{}!$\\]")


def split_entry(entry: str) -> tuple[str, str | None]:
    """`Read(src/**)` as ("Read", "src/**"); `Read` as ("Read", None)."""
    name, bracket, rest = entry.strip().partition("(")
    if not bracket:
        return name.strip(), None
    return name.strip(), rest[:-1].strip() if rest.endswith(")") else rest.strip()


def place_of(pattern: str, base: str) -> str:
    """The deepest directory or file that surely holds all that a pattern of paths means.

    What stands before the first character with a meaning of its own counts; a way up (`..`) behind one leads anywhere.

    :param base: the directory that a relative pattern begins in, an absolute path.
    """
    found = _META.search(pattern)
    literal = pattern[: found.start()] if found else pattern
    if found:
        if ".." in pattern[found.start() :].split("/") or pattern.startswith(("$", "\\")):
            return os.sep
        literal = literal[: literal.rfind("/") + 1]
        if not literal and pattern.startswith("~"):
            return os.sep
    if literal.startswith("~"):
        return literal.rstrip("/")
    if literal.startswith("/"):
        return os.path.normpath("/" + literal.lstrip("/"))
    return os.path.normpath(os.path.join(base, literal)) if literal else base
