"""Validate arguments from the wire strictly. Errors use the names that the caller used."""

from __future__ import annotations

import inspect
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticSerializationError

from llm_gateway.errors import InvalidRequest
from llm_gateway.model.operation import Operation
from llm_gateway.naming import complaint, nearest, wire_names
from llm_gateway.operations.arguments import correction, normalized

ModelT = TypeVar("ModelT", bound=BaseModel)
_HALVES = re.compile("[\ud800-\udfff]")


def json_of(model: BaseModel, *, indent: int | None = None, **options: Any) -> str:
    """Return a model as JSON text. A lone surrogate, as in names of files that are not UTF-8, becomes U+FFFD.

    :param options: those of pydantic's `model_dump_json`.
    """
    try:
        return BaseModel.model_dump_json(model, indent=indent, **options)
    except PydanticSerializationError:
        data = model.model_dump(mode="json", **options)
    separators = (",", ":") if indent is None else None
    return _HALVES.sub("\ufffd", json.dumps(data, ensure_ascii=False, indent=indent, separators=separators))


class Wire(BaseModel, alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True, defer_build=True):
    """Parameters and results on the wire: camelCase, no unknown names, no conversions. Built on first use: most are never used."""

    def model_dump_json(self, *, indent: int | None = None, **options: Any) -> str:
        """Like `json_of`."""
        return json_of(self, indent=indent, **options)


def check(model: type[ModelT], arguments: Mapping[str, Any]) -> ModelT:
    """Validate arguments strictly. Raises InvalidRequest with every problem, and with the most similar name for an unknown one.

    `null` for an optional parameter means absent, and a whole float is an integer: see `arguments.py`.
    """
    given = normalized(model, arguments)
    try:
        checked = model.model_validate(given, strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        problems = [_problem(detail, model) for detail in error.errors(include_url=False)]
        raise InvalidRequest("; ".join(problems)) from None
    for name, value in given.items():
        _refuse_not_serializable(name, value)
    return checked


def operation(
    name: str, title: str, handler: Any, params: type[BaseModel], result: type[BaseModel], **more: Any
) -> Operation:
    """Return an operation, by default idempotent and read-only. Its handler's docstring is the description that callers read."""
    more = {"read_only": not more.get("destructive"), "idempotent": True, **more}
    text = inspect.cleandoc(handler.__doc__)
    return Operation(name=name, title=title, description=text, params=params, result=result, handler=handler, **more)


def wire_object(**values: Any) -> dict[str, Any]:
    """Return values under their names on the wire. Values that are None are left out."""
    return {_camel(name): value for name, value in values.items() if value is not None}


@lru_cache(maxsize=1024)
def _camel(name: str) -> str:
    return to_camel(name)


def _problem(detail: Any, model: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in detail["loc"]) or "arguments"
    if detail["type"] == "extra_forbidden":
        known = wire_names(model) if len(detail["loc"]) == 1 else ()
        return f"unknown parameter {place}{nearest(place, known)}"
    if detail["type"] == "missing":
        return f"{place} is required"
    better = correction(detail["type"], detail.get("input"))
    return f"{place}: {complaint(detail)}" + (f"; send {better}" if better is not None else "")


def _refuse_not_serializable(name: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRequest(f"{name} is not a finite number")
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidRequest(f"{name} contains a NUL byte", recovery="Remove it: it cannot be passed on.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"{name} contains half a surrogate pair, which is not valid text") from None
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_not_serializable(name, key)
            _refuse_not_serializable(f"{name}.{key}", inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_not_serializable(name, inner)
