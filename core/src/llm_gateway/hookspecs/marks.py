"""How a spec is marked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pluggy

PROJECT = "llm_gateway"
#: Rises when a plugin that was right before would be wrong. A plugin may say which one it was written for: `GATEWAY_API = 1`.
API_VERSION = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

#: Hooks that belong to plugins of one kind; plugins of another kind may only wrap them.
OWNER: dict[str, str] = {}
#: Hooks without which a plugin of that kind is of no use.
REQUIRED: set[str] = set()

SpecT = TypeVar("SpecT", bound=Callable[..., Any])


def asked_of(kind: str, *, required: bool = False) -> Callable[[SpecT], SpecT]:
    """Mark a hook that is asked of one plugin of a kind."""

    def mark(spec: SpecT) -> SpecT:
        OWNER[spec.__name__] = kind
        if required:
            REQUIRED.add(spec.__name__)
        return hookspec(spec, firstresult=True)

    return mark
