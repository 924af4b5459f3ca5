"""Pydantic's JSON schemas, made small enough for a model's context.

Left out: titles, descriptions in output schemas, the docstrings of nested models, `null` as a choice or default of an optional
field, `additionalProperties` below the root, patterns, lengths, and defaults that a reader assumes anyway. A definition is inlined
if that is shorter. In an output schema that is still too long, nested objects lose their properties, the longest first. The small
schema excludes no value that is accepted or sent: a field that is None is never sent, and the kernel validates arguments with the
full model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import BaseModel

from llm_gateway_transport_mcp.serializable import NotSerializable, plain_json

Schema = dict[str, Any]

_ONE = ("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "dependentSchemas")
_REF = "#/$defs/"
_PLACES = {"$anchor", "$dynamicAnchor", "$id"}  #: a schema with one can be referenced from anywhere: it is not moved

#: Few hosts show the output schema to a model. Programs use it, and they need names and types more than nested properties.
OUTPUT_BYTES = 900

#: Keywords by the type of their value.
_KINDS: dict[type, str] = {
    str: "$ref $id $anchor $dynamicRef $dynamicAnchor $schema $comment format pattern title description",
    list: "enum required examples",
    dict: "$vocabulary dependentRequired",
    bool: "uniqueItems deprecated readOnly writeOnly",
    int: "minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains",
    float: "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
}
_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}


class UnusableSchema(Exception):
    """A model has no schema that a tool can use."""


def input_schema(model: type[BaseModel], hidden: Collection[str] = (), *, brief: bool = False) -> Schema:
    """Return the schema of a tool's arguments, without the hidden fields (named as in Python or as on the wire).

    :param brief: shorten descriptions to their first sentence, and leave out the properties of nested objects.
    """
    schema = _root(model.model_json_schema(by_alias=True))
    shown = schema.get("properties", {})
    names = {model.model_fields[name].alias or name if name in model.model_fields else name for name in hidden}
    for name in names & set(shown):
        del shown[name]
    if "required" in schema:
        schema["required"] = [name for name in schema["required"] if name in shown]
    closed = {"additionalProperties": False} if schema.get("additionalProperties") is False else {}
    compact = _compact(schema, output=False)
    return {**(_brief(compact) if brief else compact), **closed}


def output_schema(model: type[BaseModel]) -> Schema:
    """Return the schema of a tool's structured content, failures included: it requires and excludes nothing."""
    return _shallow(_compact(_root(model.model_json_schema(mode="serialization", by_alias=True)), output=True))


#: Left out of a brief schema: the schema of the other operation has them, and the kernel checks them either way.
_NOT_BRIEF = ("default", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def _brief(schema: Schema) -> Schema:
    shown = {}
    for name, field in schema.get("properties", {}).items():
        kept = {key: value for key, value in field.items() if key not in _NOT_BRIEF}
        if "properties" in field:
            kept = {"type": "object"}
        if "description" in field:
            kept["description"] = _first_sentence(field["description"])
        shown[name] = kept
    return _drop_unused({**schema, "properties": shown})


def _first_sentence(text: str) -> str:
    end = text.find(". ")
    return text if end < 0 else text[: end + 1]


def _shallow(schema: Schema) -> Schema:
    definitions = schema.get("$defs", {})
    nested = {name: len(_text(field)) for name, field in schema.get("properties", {}).items() if _is_nested(field)}
    for field_name in sorted(nested, key=lambda name: (-nested[name], name)):
        if len(_text(schema)) <= OUTPUT_BYTES:
            break
        field = schema["properties"][field_name]
        kind = definitions.get(field.get("$ref", "")[len(_REF) :], field).get("type")
        schema["properties"][field_name] = {"type": kind} if kind else {}
        schema = _drop_unused(schema)
    return schema


def _is_nested(schema: Schema) -> bool:
    found = "properties" in schema or "$ref" in schema

    def check_child(child: Schema) -> Schema:
        nonlocal found
        found = found or _is_nested(child)
        return child

    _children(schema, check_child)
    return found


def _root(schema: Schema) -> Schema:
    try:
        schema = plain_json(schema)
    except NotSerializable as error:
        raise UnusableSchema(str(error)) from error
    _check(schema)
    if schema.get("$ref", "").startswith(_REF):  # a model that contains itself
        schema = {**schema["$defs"][schema["$ref"][len(_REF) :]], "$defs": schema["$defs"]}
    if schema.get("type") != "object":
        raise UnusableSchema("its root is not an object")
    return schema


def _check(schema: object) -> None:
    """Raise UnusableSchema for a schema that makes a strict client refuse the whole list."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise UnusableSchema(f"{schema!r:.80} is not a schema")
    kinds = schema.get("type", "object")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if not kinds or len({str(kind) for kind in kinds} & _TYPES) != len(kinds):
        raise UnusableSchema(f"there is no type {kinds!r:.80}")
    for kind, keys in _KINDS.items():
        for key in keys.split():
            _held(schema, key, kind)
    required = schema.get("required", [])
    if not all(isinstance(name, str) for name in required) or len(set(required)) != len(required):
        raise UnusableSchema("required does not name properties")
    inner = [schema[key] for key in _ONE if key in schema]
    for key in _MANY:
        inner += _held(schema, key, list)
        if schema.get(key) == []:
            raise UnusableSchema(f"{key} is empty")
    for key in _NAMED:
        inner += _held(schema, key, dict).values()
    for each in inner:
        _check(each)


def _held(schema: Schema, key: str, kind: type) -> Any:
    held = schema.get(key, kind())
    number = kind is float and isinstance(held, int)
    if not (isinstance(held, kind) or number) or (isinstance(held, bool) and kind is not bool):
        raise UnusableSchema(f"{key} is {held!r:.80}")
    return held


def _compact(schema: Schema, *, output: bool) -> Schema:
    schema = _slim(schema, output=output)
    schema.pop("description", None)
    definitions: dict[str, Schema] = schema.pop("$defs", {})
    for body in definitions.values():
        body.pop("description", None)
    for name in sorted(definitions, key=lambda name: len(_text(definitions[name]))):
        rest = {other: body for other, body in definitions.items() if other != name}
        uses = _count(schema, name) + sum(_count(body, name) for body in rest.values())
        size, ref_size = len(_text(definitions[name])), len(_text({"$ref": _REF + name}))
        placed = definitions[name].keys() & _PLACES
        if placed or _count(definitions[name], name) or uses * size > uses * ref_size + size + len(name):
            continue
        schema = _inline(schema, name, definitions[name])
        definitions = {other: _inline(kept, name, definitions[name]) for other, kept in rest.items()}
    return _drop_unused({**schema, "$defs": definitions})


def _drop_unused(schema: Schema) -> Schema:
    definitions = schema.pop("$defs", {})
    if used := _reachable(schema, definitions):
        schema["$defs"] = {name: definitions[name] for name in definitions if name in used}
    return schema


def _slim(schema: Schema, *, output: bool) -> Schema:
    slim = _children(schema, lambda child: _slim(child, output=output))
    slim.pop("title", None)
    slim.pop("discriminator", None)
    if "default" in slim and slim["default"] in (None, False, [], {}, ""):
        del slim["default"]
    if output:
        slim.pop("description", None)
        slim.pop("default", None)
        for bound in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"):
            slim.pop(bound, None)
        if slim.get("items") == {"type": "object"}:
            del slim["items"]
    if "enum" in slim or "const" in slim:
        slim.pop("type", None)
    if isinstance(slim.get("additionalProperties"), bool):
        del slim["additionalProperties"]
    for bound in ("pattern", "minLength", "maxLength"):
        slim.pop(bound, None)
    for bound in ("minimum", "exclusiveMinimum"):
        if slim.get(bound) in (0, 1):
            del slim[bound]
    required = list(slim.pop("required", ()))
    for name, field in slim.get("properties", {}).items():
        if _optional(field) and (output or name not in required):
            slim["properties"][name] = _without_null(field)
            required = [other for other in required if other != name]
    if required and not output:
        slim["required"] = required
    return slim


def _optional(schema: Schema) -> bool:
    choices = schema.get("anyOf", ())
    return {"type": "null"} in choices and any(choice != {"type": "null"} for choice in choices)


def _without_null(schema: Schema) -> Schema:
    choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**choices[0], **rest} if len(choices) == 1 else {"anyOf": choices, **rest}


def _children(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """Apply a change to each schema within a schema, but not to values that only resemble a schema."""
    changed = dict(schema)
    for key, value in schema.items():
        if key in _ONE and isinstance(value, dict):
            changed[key] = change(value)
        elif key in _MANY and isinstance(value, list):
            changed[key] = [change(each) if isinstance(each, dict) else each for each in value]
        elif key in _NAMED and isinstance(value, dict):
            changed[key] = {name: change(each) if isinstance(each, dict) else each for name, each in value.items()}
    return changed


def _refs(schema: Schema) -> list[str]:
    found = [schema["$ref"][len(_REF) :]] if schema.get("$ref", "").startswith(_REF) else []

    def collect(child: Schema) -> Schema:
        found.extend(_refs(child))
        return child

    _children(schema, collect)
    return found


def _count(schema: Schema, name: str) -> int:
    return _refs(schema).count(name)


def _inline(schema: Schema, name: str, body: Schema) -> Schema:
    changed = _children(schema, lambda child: _inline(child, name, body))
    if changed.get("$ref") == _REF + name:
        return {**body, **{key: value for key, value in changed.items() if key != "$ref"}}
    return changed


def _reachable(schema: Schema, definitions: Mapping[str, Schema]) -> set[str]:
    found: set[str] = set()
    todo = _refs(schema) + [name for name, body in definitions.items() if body.keys() & _PLACES]
    while todo:
        if (name := todo.pop()) not in found:
            found.add(name)
            todo.extend(_refs(definitions[name]))
    return found


def _text(schema: Schema) -> str:
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
