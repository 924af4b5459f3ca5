"""LLM Gateway's kernel. What stands in `__init__.pyi` is all that a plugin may import (beside `llm_gateway.errors`).

Names are loaded when they are first used, so that importing this package costs nothing: an engine's processes do it too.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"
#: Which room each name lives in, as type checkers read it, too.
_ROOMS: dict[str, str] = {}
for _line in __spec__.loader.get_data(f"{__file__}i").decode().splitlines():
    if _line.startswith("from "):
        _room, _, _names = _line.removeprefix("from ").partition(" import ")
        _ROOMS.update(dict.fromkeys(_names.split(", "), _room))
__all__ = sorted(_ROOMS)  # noqa: PLE0605 - written out in the stub


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_ROOMS[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
