"""The markers of hook specifications and implementations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pluggy

PROJECT = "llm_gateway"
#: Increases when a plugin that was correct before would be wrong. A plugin may declare its version: `GATEWAY_API = 1`.
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

#: Hooks that belong to plugins of one kind; plugins of another kind may only wrap them.
OWNER: dict[str, str] = {}
#: Hooks that a plugin of that kind must have.
REQUIRED: set[str] = set()

SpecT = TypeVar("SpecT", bound=Callable[..., Any])


def asked_of(kind: str, *, required: bool = False) -> Callable[[SpecT], SpecT]:
    """Mark a hook that is called on one plugin of a kind."""

    def mark(spec: SpecT) -> SpecT:
        OWNER[spec.__name__] = kind
        if required:
            REQUIRED.add(spec.__name__)
        return hookspec(spec, firstresult=True)

    return mark
