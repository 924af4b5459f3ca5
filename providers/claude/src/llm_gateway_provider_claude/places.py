"""Which files the entries of allowedTools open in Claude Code, and how a tool without a pattern is limited to its directory. Pure.

Measured with 2.1.330: `Read`, `Glob` or `Grep` without a pattern reads any file of the machine; `Write` without a pattern
writes any file. Claude Code obeys a pattern of `Read`, `Glob`, `Grep` and `Edit`, but ignores one of `Write`. The rule for
`Write` is `Edit(…)`, which applies to every tool that edits files.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from llm_gateway import EVERYWHERE, Access, Opened, Request, place_of, split_entry

LOOKING = frozenset({"Read", "Glob", "Grep", "LS", "NotebookRead"})
EDITING = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
SHELLS = frozenset({"Bash", "PowerShell"})
_ANY_COMMAND = (None, "", "*", ":*", "**")
#: Where login, settings and conversations are stored.
PRIVATE = ("$CLAUDE_CONFIG_DIR", "~/.claude", "~/.claude.json")


def opens(request: Request) -> list[Opened]:
    """Return what each entry opens, as `rules_of` passes it on."""
    return [_opened(entry, request.working_dir) for entry in request.allowed_tools]


def rules_of(entry: str, request: Request) -> Iterator[str]:
    """Convert an entry to Claude Code's rules. A file tool without a pattern is limited to the working and added directories."""
    name, pattern = split_entry(entry)
    if name not in LOOKING | EDITING:
        yield entry
        return
    tool = "Edit" if name in EDITING else name
    if pattern is not None:
        yield f"{tool}({pattern})"
        return
    yield f"{tool}(./**)"
    if tool != "Edit":  # --add-dir already allows reading
        return
    for path in request.add_dirs:
        if not set(path) & set("()*?[]{}!"):
            yield f"{tool}(/{path}/**)"  # `//` begins an absolute path


def _opened(entry: str, base: str) -> Opened:
    name, pattern = split_entry(entry)
    if name.startswith("mcp__"):
        return Opened(entry=entry, access=Access.SERVER)
    named = [tool for tool in (*SHELLS, *EDITING, *LOOKING) if fnmatchcase(tool.lower(), name.lower())]
    if any(tool in SHELLS for tool in named):
        return Opened(entry=entry, access=Access.SHELL if pattern in _ANY_COMMAND else Access.SHELL_COMMAND)
    if not named:
        return Opened(entry=entry, access=Access.OTHER)
    access = Access.EDIT if any(tool in EDITING for tool in named) else Access.LOOK
    if name not in named:  # a wildcard, or a spelling that `rules_of` does not limit to the directory
        return Opened(entry=entry, access=access, places=EVERYWHERE)
    return Opened(entry=entry, access=access, places=tuple(_places(pattern, base)) if pattern else ())


def _places(pattern: str, base: str) -> Iterator[str]:
    """Return the paths of a pattern. A single leading `/` is relative to Claude Code's settings; the file system root is added."""
    yield place_of(pattern, base)
    if pattern.startswith("/") and not pattern.startswith("//"):
        yield place_of(pattern.lstrip("/"), base)
