"""The data types as JSON and back, for stores and job folders. Never pickled; every document has a schema version."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")

#: Increased by one when a stored document can no longer be read by the present form of its type.
SCHEMA = 1


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def to_json(value: Any) -> bytes:
    """A frozen dataclass of the model as compact JSON with its schema version; times as RFC 3339."""
    assert is_dataclass(value)
    body = _adapter(type(value)).dump_python(value, mode="json", exclude_defaults=True, by_alias=True)
    return json.dumps({"schema": SCHEMA, **body}, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def from_json(kind: type[T], data: bytes | str) -> T:
    """Read what `to_json` wrote. Raises ValueError for another schema version or form."""
    body = cast("dict[str, Any]", json.loads(data))
    if not isinstance(body, Mapping) or body.pop("schema", None) != SCHEMA:
        raise ValueError(f"not a stored {kind.__name__} of schema {SCHEMA}")
    return cast("T", _adapter(kind).validate_python(body))
