"""Which files the entries of allowedTools open in Claude Code, and how a tool without a pattern is held in its directory. Pure.

Measured with 2.1.330: a bare `Read`, `Glob` or `Grep` looks anywhere on the disk, a bare `Write` writes anywhere. A pattern of
`Read`, `Glob`, `Grep` and `Edit` is obeyed; one of `Write` is passed over, and the rule for it is `Edit(…)`, which means every
tool that edits files.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from llm_gateway import EVERYWHERE, Access, Opened, Request, place_of, split_entry

LOOKING = frozenset({"Read", "Glob", "Grep", "LS", "NotebookRead"})
EDITING = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
SHELLS = frozenset({"Bash", "PowerShell"})
_ANY_COMMAND = (None, "", "*", ":*", "**")
#: Where login, settings and conversations lie.
PRIVATE = ("$CLAUDE_CONFIG_DIR", "~/.claude", "~/.claude.json")


def opens(request: Request) -> list[Opened]:
    """What each entry opens, as `rules_of` hands it on."""
    return [_opened(entry, request.working_dir) for entry in request.allowed_tools]


def rules_of(entry: str, request: Request) -> Iterator[str]:
    """An entry as Claude Code's own rules: a bare tool for files means inside the working and the added directories."""
    name, pattern = split_entry(entry)
    if name not in LOOKING | EDITING:
        yield entry
        return
    tool = "Edit" if name in EDITING else name
    if pattern is not None:
        yield f"{tool}({pattern})"
        return
    yield f"{tool}(./**)"
    for path in request.add_dirs if tool == "Edit" else ():  # to look there is allowed by --add-dir
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
    if name not in named:  # a wildcard, or a spelling that `rules_of` does not hold in the directory
        return Opened(entry=entry, access=access, places=EVERYWHERE)
    return Opened(entry=entry, access=access, places=tuple(_places(pattern, base)) if pattern else ())


def _places(pattern: str, base: str) -> Iterator[str]:
    """Where a pattern leads. With one `/` Claude Code begins at its settings; the root of the disk is considered too."""
    yield place_of(pattern, base)
    if pattern.startswith("/") and not pattern.startswith("//"):
        yield place_of(pattern.lstrip("/"), base)
