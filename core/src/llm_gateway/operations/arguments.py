"""Convert arguments into the schema's form where clients or models send another form of the same value. Pure.

Models send `null` for a parameter that they leave out, and `60000.0` for an integer. Both are accepted for every operation of the
kernel and of plugins, at every level of its parameters that has a schema. Nothing else is converted: text that contains JSON is
refused, and the error names the value to send instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import AliasChoices, BaseModel

Schema = Mapping[str, Any]
_REF = "#/$defs/"
#: A corrected value that is longer is described, not shown.
_SHOWN_CHARS = 2_000
#: Type of a pydantic error -> the JSON types that it asks for.
_WANTED: Mapping[str, tuple[type, ...]] = {
    "list_type": (list,),
    "tuple_type": (list,),
    "set_type": (list,),
    "frozen_set_type": (list,),
    "dict_type": (dict,),
    "mapping_type": (dict,),
    "model_type": (dict,),
    "model_attributes_type": (dict,),
    "dataclass_type": (dict,),
    "bool_type": (bool,),
    "int_type": (int,),
    "float_type": (int, float),
    "string_type": (str,),
}


def normalized(model: type[BaseModel], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments without absent ones (`null`), and with whole floats as integers where the schema wants an integer."""
    schema = _schema(model)
    if not schema:
        return dict(arguments)
    names = {other: name for other, name in _other_names(model).items() if name not in arguments}
    given = {names.get(name, name): name for name in arguments}
    fitted = _object({name: arguments[sent] for name, sent in given.items()}, schema, schema)
    return {given[name]: value for name, value in fitted.items()}


def correction(kind: str, value: object) -> str | None:
    """Return the JSON to send instead of a value of the wrong type; None: it is not known.

    :param kind: the type of pydantic's error, such as `list_type`.
    """
    wanted = _WANTED.get(kind)
    if wanted is None:
        return None
    if wanted == (str,):
        return "it as text, in quotes" if _is_number(value) else None
    if not isinstance(value, str):
        return None
    try:
        meant = json.loads(value)
    except (ValueError, RecursionError):
        meant = {"True": True, "False": False}.get(value)
    fits = isinstance(meant, wanted) and isinstance(meant, bool) == (bool in wanted)
    if isinstance(meant, float) and not math.isfinite(meant):
        fits = False
    if not fits and wanted == (list,) and value and not value.lstrip().startswith(("[", "{")):
        meant, fits = [value], True
    if not fits:
        return None
    text = json.dumps(meant, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else "the same JSON, not as text in quotes"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@lru_cache(maxsize=1024)
def _schema(model: type[BaseModel]) -> Schema:
    try:
        return model.model_json_schema(by_alias=True)
    except Exception:  # types of a plugin without a schema: their arguments are checked without conversion
        return {}


@lru_cache(maxsize=1024)
def _other_names(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the further names of fields that have several: further name -> the name in the schema."""
    names: dict[str, str] = {}
    for field in model.model_fields.values():
        choices = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else []
        plain = [choice for choice in choices if isinstance(choice, str)]
        names.update((other, plain[0]) for other in plain[1:])
    return names


def _fit(value: Any, schema: Schema, root: Schema) -> Any:
    kinds = list(_alternatives(schema, root))
    if isinstance(value, float):
        return _number(value, kinds)
    if isinstance(value, Mapping):
        objects = [kind for kind in kinds if kind.get("type") == "object"]
        fitting = objects if len(objects) == 1 else [kind for kind in objects if _may_hold(kind, value)]
        return _object(value, fitting[0], root) if fitting else value
    if isinstance(value, list):
        return _array(value, kinds, root)
    return value


def _number(value: float, kinds: Sequence[Schema]) -> float | int:
    types = {kind.get("type") for kind in kinds}
    wanted = "integer" in types and "number" not in types
    return int(value) if wanted and value.is_integer() else value


def _object(value: Mapping[str, Any], schema: Schema, root: Schema) -> dict[str, Any]:
    schema = _resolved(schema, root)
    known = schema.get("properties", {})
    required = schema.get("required", ())
    others = schema.get("additionalProperties")
    fitted: dict[str, Any] = {}
    for name, inner in value.items():
        if name in known:
            if inner is None and (name not in required or not _nullable(known[name], root)):
                continue
            fitted[name] = _fit(inner, known[name], root)
        else:
            fitted[name] = _fit(inner, others, root) if isinstance(others, Mapping) else inner
    return fitted


def _array(value: list[Any], kinds: Sequence[Schema], root: Schema) -> list[Any]:
    arrays = [kind for kind in kinds if kind.get("type") == "array"]
    if not arrays:
        return value
    places = arrays[0].get("prefixItems", [])
    rest = arrays[0].get("items")
    schemas = [*places, *[rest] * max(0, len(value) - len(places))]
    pairs = zip(value, schemas, strict=False)
    fitted = [_fit(inner, schema, root) if isinstance(schema, Mapping) else inner for inner, schema in pairs]
    return [*fitted, *value[len(fitted) :]]


def _alternatives(schema: Schema, root: Schema, depth: int = 0) -> Iterator[Schema]:
    """Yield the alternatives of a schema, with references and nested alternatives resolved."""
    schema = _resolved(schema, root)
    choices = [choice for key in ("anyOf", "oneOf", "allOf") for choice in schema.get(key, ())]
    if not choices or depth > 8:
        yield schema
    for choice in choices if depth <= 8 else ():
        if isinstance(choice, Mapping):
            yield from _alternatives(choice, root, depth + 1)


def _resolved(schema: Schema, root: Schema) -> Schema:
    seen = 0
    while str(schema.get("$ref", "")).startswith(_REF) and seen < 8:
        schema = root.get("$defs", {}).get(schema["$ref"][len(_REF) :], {})
        seen += 1
    return schema


def _nullable(schema: Schema, root: Schema) -> bool:
    """Return whether `null` is a value of this schema. A schema without types accepts any value."""
    for kind in _alternatives(schema, root):
        types = kind.get("type")
        if types is None and not kind.keys() & {"enum", "const", "properties"}:
            return True
        if types == "null" or (isinstance(types, list) and "null" in types):
            return True
        if None in kind.get("enum", ()) or ("const" in kind and kind["const"] is None):
            return True
    return False


def _may_hold(schema: Schema, value: Mapping[str, Any]) -> bool:
    """Return whether an object may fit this schema: nothing required is missing, and its constant members agree."""
    given = {name for name, inner in value.items() if inner is not None}
    known = schema.get("properties", {})
    fixed = {name: field["const"] for name, field in known.items() if isinstance(field, Mapping) and "const" in field}
    agrees = all(value.get(name, constant) == constant for name, constant in fixed.items())
    return agrees and given >= set(schema.get("required", ()))
