"""Which files the entries of allowedTools open in Mistral Vibe. Pure.

They name tools, without patterns, and leave the others out: what a named tool may do is decided as if nothing were named. Below
`bypass` its tools for files stay in the working directory and the added ones (`VIBE_OUTSIDE_WORKDIR=deny`).
"""

from __future__ import annotations

from llm_gateway import Access, Opened, Request

#: Where login, settings and conversations lie.
PRIVATE = ("$VIBE_HOME", "~/.vibe")
_ACCESS = {
    "read_file": Access.LOOK,
    "grep": Access.LOOK,
    "todo": Access.LOOK,
    "edit": Access.EDIT,
    "write_file": Access.EDIT,
    "bash": Access.SHELL,
    "skill": Access.OTHER,
    "web_fetch": Access.OTHER,
    "web_search": Access.OTHER,
}


def opens(request: Request) -> list[Opened]:
    """What each entry opens: none opens more than the posture does."""
    return [Opened(entry=entry, access=_ACCESS.get(entry, Access.SERVER)) for entry in request.allowed_tools]
