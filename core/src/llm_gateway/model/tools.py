"""What an entry of `allowedTools` opens. Pure: a provider describes it with these types, a policy judges it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import Enum


class Access(str, Enum):
    """What an allowed tool lets a run do without a question."""

    EVERYTHING = "everything"  #: every tool
    SHELL = "shell"  #: any program
    SHELL_COMMAND = "shell_command"  #: some programs
    LOOK = "look"  #: read files
    EDIT = "edit"  #: create and change files
    SERVER = "server"  #: a tool of an MCP server
    OTHER = "other"  #: neither reads nor edits files
    UNKNOWN = "unknown"  #: the provider does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One entry of `allowedTools`, and what it opens."""

    entry: str  #: as the caller wrote it
    access: Access  #: what it lets a run do
    #: With LOOK and EDIT: directories and files, absolute or with `~`, that together contain everything it opens. Empty: nothing
    #: outside of the working directory and the added ones, because the CLI or its flags enforce that.
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
    """The deepest directory or file that certainly contains everything that a path pattern matches.

    The part before the first special character counts; `..` after one may lead anywhere.

    :param base: the directory of a relative pattern, an absolute path.
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
