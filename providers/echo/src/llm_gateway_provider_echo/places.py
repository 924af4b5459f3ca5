"""Which files the entries of allowedTools would open. A tool without a pattern is limited to the working directory, as in
other agents. The imitation opens no files."""

from __future__ import annotations

from llm_gateway import Access, Opened, Request, place_of, split_entry

LOOKING = frozenset({"read", "glob", "grep", "ls", "read_file", "list_dir"})
EDITING = frozenset({"edit", "multiedit", "notebookedit", "write", "write_file"})


def opens(request: Request) -> list[Opened]:
    """Return what each entry opens. For tools other than file tools, the access is unknown."""
    return [_opened(entry, request.working_dir) for entry in request.allowed_tools]


def _opened(entry: str, base: str) -> Opened:
    name, pattern = split_entry(entry)
    if name.lower() not in LOOKING | EDITING:
        return Opened(entry=entry, access=Access.UNKNOWN)
    access = Access.EDIT if name.lower() in EDITING else Access.LOOK
    return Opened(entry=entry, access=access, places=(place_of(pattern, base),) if pattern else ())
