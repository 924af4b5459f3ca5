"""What the entries of allowedTools open. Providers declare it; otherwise it is derived from names, for all CLIs.

The arguments of a tool are not known before it runs.
"""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase

from llm_gateway import EVERYWHERE, Access, Opened, Proposal, place_of, split_entry

#: Tools that run programs, as the CLIs call them.
SHELLS = frozenset(
    {
        *("bash", "sh", "shell", "local_shell", "powershell", "terminal", "exec", "exec_command", "unified_exec"),
        *("execute", "execute_command", "run_command", "run_shell_command", "run_terminal_cmd", "run_terminal_command"),
    }
)
#: Tools that only look at files, or edit them: what `accept_edits` lets pass by itself.
LOOKING = frozenset(
    {
        *("read", "glob", "grep", "ls", "notebookread", "view", "read_file", "read_many_files", "list_dir"),
        *("list_directory", "search_file_content", "grep_search", "codebase_search"),
    }
)
EDITING = frozenset(
    {
        *("edit", "multiedit", "write", "notebookedit", "write_file", "replace", "search_replace", "apply_patch"),
    }
)
FILES = LOOKING | EDITING | {"todo", "todowrite", "todoread"}
_ANYTHING = ("", "*", ":*", "**")


class Opens(Enum):
    """What an allowed tool lets a run do."""

    EVERYTHING = "every tool"
    SHELL = "any program"
    SHELL_COMMAND = "some programs"
    FILES = "files"
    SERVER = "a tool of an MCP server"
    OTHER = "something else"


def opens(tool: str) -> Opens:
    """Sort one entry of allowedTools, such as `Read`, `Bash`, `Bash(git *)` or `mcp__search__*`."""
    name, _, rest = tool.strip().partition("(")
    name = name.strip().lower()
    if name in ("*", "all"):
        return Opens.EVERYTHING
    if name.startswith("mcp__"):
        return Opens.SERVER
    if any(fnmatchcase(shell, name) for shell in SHELLS):
        return Opens.SHELL if rest.rstrip(")").strip() in _ANYTHING else Opens.SHELL_COMMAND
    return Opens.FILES if any(fnmatchcase(one, name) for one in FILES) else Opens.OTHER


_ACCESS = {
    Opens.EVERYTHING: Access.EVERYTHING,
    Opens.SHELL: Access.SHELL,
    Opens.SHELL_COMMAND: Access.SHELL_COMMAND,
    Opens.SERVER: Access.SERVER,
    Opens.OTHER: Access.OTHER,
}


def opened(proposal: Proposal) -> list[Opened]:
    """What a proposal's tools open: as the provider says, else as their names say."""
    if proposal.tools is None:
        return [_by_name(entry, proposal.request.working_dir, held=True) for entry in proposal.request.allowed_tools]
    base = proposal.request.working_dir
    return [_by_name(one.entry, base, held=False) if one.access is Access.UNKNOWN else one for one in proposal.tools]


def _by_name(entry: str, base: str, *, held: bool) -> Opened:
    """What a name opens.

    :param held: a bare tool for files stays in the working directory; if that is not known, it opens every file.
    """
    kind = opens(entry)
    if kind in _ACCESS:
        return Opened(entry=entry, access=_ACCESS[kind])
    name, pattern = split_entry(entry)
    if name.lower().startswith("todo"):
        return Opened(entry=entry, access=Access.LOOK)
    access = Access.LOOK if any(fnmatchcase(one, name.lower()) for one in LOOKING) else Access.EDIT
    if not held or "*" in name:
        return Opened(entry=entry, access=access, places=EVERYWHERE)
    return Opened(entry=entry, access=access, places=(place_of(pattern, base),) if pattern else ())
