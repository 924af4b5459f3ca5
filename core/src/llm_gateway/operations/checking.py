"""Check what came over the wire, strictly, and say what is wrong in the caller's words."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from llm_gateway.errors import InvalidRequest

ModelT = TypeVar("ModelT", bound=BaseModel)


class Wire(BaseModel):
    """Parameters and results on the wire: camelCase, nothing unknown, nothing converted."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, populate_by_name=True)


def check(model: type[ModelT], arguments: Mapping[str, Any]) -> ModelT:
    """Validate arguments strictly. Raises InvalidRequest that names every problem, and for an unknown name the nearest."""
    try:
        checked = model.model_validate(dict(arguments), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        names = [field.alias or name for name, field in model.model_fields.items()]
        problems = [_problem(detail, names) for detail in error.errors(include_url=False, include_input=False)]
        raise InvalidRequest("; ".join(problems)) from None
    for name, value in arguments.items():
        _refuse_unspeakable(name, value)
    return checked


def _problem(detail: Any, names: list[str]) -> str:
    place = ".".join(str(part) for part in detail["loc"]) or "arguments"
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(str(detail["loc"][-1]), names, n=1, cutoff=0.5) if len(detail["loc"]) == 1 else []
        return f"unknown parameter {place}" + (f"; did you mean {near[0]}?" if near else "")
    if detail["type"] == "missing":
        return f"{place} is required"
    return f"{place}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _refuse_unspeakable(name: str, value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidRequest(f"{name} contains a NUL byte", recovery="Remove it: it cannot be passed on.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"{name} contains half a surrogate pair, which is no text") from None
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_unspeakable(name, key)
            _refuse_unspeakable(f"{name}.{key}", inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_unspeakable(name, inner)
