"""What the names in allowedTools open, over all CLIs. Names only; what a tool is told to do is not known before it runs."""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase

#: Tools that run programs, as the CLIs call them.
SHELLS = frozenset(
    {
        *("bash", "sh", "shell", "local_shell", "powershell", "terminal", "exec", "exec_command", "unified_exec"),
        *("execute", "execute_command", "run_command", "run_shell_command", "run_terminal_cmd", "run_terminal_command"),
    }
)
#: Tools that only look at files, or edit them: what `accept_edits` lets pass by itself.
FILES = frozenset(
    {
        *("read", "glob", "grep", "ls", "notebookread", "view", "read_file", "read_many_files", "list_dir"),
        *("list_directory", "search_file_content", "grep_search", "codebase_search", "todo", "todowrite", "todoread"),
        *("edit", "multiedit", "write", "notebookedit", "write_file", "replace", "search_replace", "apply_patch"),
    }
)
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
    return Opens.FILES if name in FILES else Opens.OTHER
