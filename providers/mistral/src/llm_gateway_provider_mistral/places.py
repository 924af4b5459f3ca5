"""Which files the entries of allowedTools open in Mistral Vibe. Pure.

The entries are names of tools without patterns; tools that are not named are disabled. An entry does not change what its tool may
do. Below `bypass`, file tools are limited to the working and the added directories (`VIBE_OUTSIDE_WORKDIR=deny`).
"""

from __future__ import annotations

from llm_gateway import Access, Opened, Request

#: Where login, settings and conversations are stored.
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
    """Return what each entry opens. No entry opens more than the posture."""
    return [Opened(entry=entry, access=_ACCESS.get(entry, Access.SERVER)) for entry in request.allowed_tools]
