"""Which files the entries of allowedTools open in Gemini CLI. Pure.

File tools have no patterns in Gemini CLI. On every level it limits them to the working directory, the added directories and its
own folder for the project.
"""

from __future__ import annotations

from llm_gateway import Access, Opened, Request, split_entry

#: Where login, settings and conversations are stored.
GEMINI_PRIVATE = ("$GEMINI_CLI_HOME/.gemini", "~/.gemini", "$GOOGLE_APPLICATION_CREDENTIALS")
AGY_PRIVATE = ("~/.gemini", "~/.antigravity")
_SHELL = "run_shell_command"
_READING = frozenset(
    {"glob", "grep_search", "search_file_content", "list_directory", "read_file", "read_many_files", "write_todos"}
)
_EDITING = frozenset({"replace", "write_file"})


def opens(request: Request) -> list[Opened]:
    """Return what each entry opens."""
    return [Opened(entry=entry, access=_access(entry)) for entry in request.allowed_tools]


def _access(entry: str) -> Access:
    name, prefix = split_entry(entry)
    if name == _SHELL:
        return Access.SHELL_COMMAND if prefix else Access.SHELL
    if name.startswith("mcp_"):
        return Access.SERVER
    if name in _READING:
        return Access.LOOK
    return Access.EDIT if name in _EDITING else Access.OTHER
