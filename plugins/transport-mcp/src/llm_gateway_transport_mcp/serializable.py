"""What plugins bring, as it can be put on the wire: what cannot be is left out, and never takes the others with it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import BaseModel

log = logging.getLogger(__name__)

T = TypeVar("T")
S = TypeVar("S", bound=BaseModel)

#: Clients give up on a list of some hundred kilobytes, and some on JSON that is nested as deep as Python may recurse.
MAX_BYTES = 64_000
MAX_DEPTH = 60


class NotSerializable(Exception):
    """No client could be told this, or not without being told nothing else."""


def plain_json(value: Any) -> Any:
    """The same value as JSON has it. Raises Not serializable for what JSON cannot hold, and for more than any client can use."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSerializable(f"it is no JSON: {error}") from error
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
    """Make what a list holds of each item; one that cannot be made or told is left out and logged."""

    def attempt(item: T) -> S | None:
        try:
            one = make(item)
            if (size := len(one.model_dump_json(by_alias=True, exclude_none=True))) > MAX_BYTES:
                raise NotSerializable(f"it takes {size:,} bytes")
        except Exception as error:  # a plugin's, whatever it is
            log.error("%s", _written(f"{what} {str(getattr(item, 'name', None))[:80]} is not shown: {error}"))
            return None
        return one

    return [one for one in map(attempt, items) if one is not None]


def _written(words: str) -> str:
    """The same words as a log file can hold them: half a surrogate stops whoever writes or sends it."""
    return words.encode("utf-8", "backslashreplace").decode()


def _inside(value: Any) -> list[Any]:
    return [*value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
