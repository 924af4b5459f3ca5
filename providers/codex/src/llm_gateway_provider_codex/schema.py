"""Check a value against a JSON Schema, with the keywords that model services accept. Unknown keywords are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def fits(value: Any, schema: Any) -> bool:
    """Return whether the value follows the schema."""
    if not isinstance(schema, Mapping):
        return schema is not False
    types = schema.get("type")
    names = [types] if isinstance(types, str) else types or ()
    choices = schema.get("anyOf")
    return (
        (not names or any(_is(value, name) for name in names))
        and ("enum" not in schema or value in schema["enum"])
        and ("const" not in schema or value == schema["const"])
        and (choices is None or any(fits(value, choice) for choice in choices))
        and (not isinstance(value, dict) or _object_fits(value, schema))
        and (not isinstance(value, list) or all(fits(item, schema.get("items", True)) for item in value))
    )


def _object_fits(value: dict[str, Any], schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    return all(name in value for name in schema.get("required", ())) and all(
        fits(inner, properties.get(name, others)) for name, inner in value.items()
    )


def _is(value: Any, name: Any) -> bool:
    if isinstance(value, bool) or name == "boolean":
        return isinstance(value, bool) and name == "boolean"
    known = _TYPES.get(name)
    return known is None or isinstance(value, known)
