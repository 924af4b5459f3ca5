"""Check items of plugins before they are sent. An item that cannot be sent is left out, and the others are still listed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import BaseModel

log = logging.getLogger(__name__)

T = TypeVar("T")
S = TypeVar("S", bound=BaseModel)

#: Clients refuse a list of some hundred kilobytes, and some refuse JSON that is nested as deep as Python may recurse.
MAX_BYTES = 64_000
MAX_DEPTH = 60


class NotSerializable(Exception):
    """This cannot be sent to a client, or would make the whole list unusable."""


def plain_json(value: Any) -> Any:
    """Return the value after a conversion to JSON. Raises NotSerializable if JSON cannot hold it, or if it is too large or too deep."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSerializable(f"it is not valid JSON: {error}") from error
    if size > MAX_BYTES * 10:
        raise NotSerializable(f"it takes {size:,} bytes")
    found = json.loads(text)
    layer, depth = [found], 0
    while layer := [inner for outer in layer for inner in _inside(outer)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise NotSerializable(f"it is nested deeper than {MAX_DEPTH} levels")
    return found


def shown(what: str, items: Iterable[T], make: Callable[[T], S]) -> list[S]:
    """Convert each item for a list; one that cannot be converted or sent is left out and logged."""

    def attempt(item: T) -> S | None:
        try:
            made = make(item)
            if (size := len(made.model_dump_json(by_alias=True, exclude_none=True))) > MAX_BYTES:
                raise NotSerializable(f"it takes {size:,} bytes")
        except Exception as error:  # a plugin's item may raise anything
            log.error("%s", _encodable(f"{what} {str(getattr(item, 'name', None))[:80]} is not listed: {error}"))
            return None
        return made

    return [made for made in map(attempt, items) if made is not None]


def _encodable(text: str) -> str:
    """Return the text in a form that a log file can hold: a lone surrogate cannot be encoded."""
    return text.encode("utf-8", "backslashreplace").decode()


def _inside(value: Any) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
