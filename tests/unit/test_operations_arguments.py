"""`null` is absent and whole floats are integers, for every operation of every plugin; text with JSON in it is refused."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, strategies as st
from pydantic import AliasChoices, BaseModel, Field

from llm_gateway import find_plugins
from llm_gateway.errors import InvalidRequest
from llm_gateway.operations.arguments import normalized
from llm_gateway.operations.requests import RequestParams, request_operations
from llm_gateway.operations.validation import Wire, check


def _models() -> dict[str, type[BaseModel]]:
    """The parameters of every operation of every installed plugin."""
    environ = {"LLM_GATEWAY_HOME": "/nonexistent", "HOME": "/nonexistent"}
    host, _ = find_plugins(environ)
    found = [operation for _, operation in host.operations()]
    found += [one for info in host.providers.values() for one in request_operations(info, defers=True)]
    return {operation.name: operation.params for operation in found}


MODELS = _models()


class Size(enum.IntEnum):
    SMALL = 1


class Inner(Wire):
    depth: int
    label: str | None = None
    wide: bool = False


class OfKind(Wire):
    kind: Literal["a"]
    count: int


class OfOtherKind(Wire):
    kind: Literal["b"]
    share: float
    count: str | None = None


class Strange(Wire):
    """What a third party may bring."""

    required: int
    required_or_nothing: int | None
    inner: Inner | None = None
    inners: list[Inner] = Field(default_factory=list)
    by_name: dict[str, Inner] = Field(default_factory=dict)
    either: OfKind | OfOtherKind | None = None
    number_or_words: int | str = 3
    any_number: int | float = 1
    numbers: list[int] = Field(default_factory=list)
    pairs: dict[str, int] = Field(default_factory=dict)
    defaulted: int | None = 5
    anything: Any = "x"
    free: dict[str, Any] = Field(default_factory=dict)
    bounded: Annotated[int, Field(ge=1, le=10)] = 2
    literal: Literal[1, 2] = 1
    named: str = Field("n", validation_alias=AliasChoices("named", "called"))


MODELS["strange"] = Strange


def _walk(model: type[BaseModel]) -> list[tuple[str, Mapping[str, Any]]]:
    schema = model.model_json_schema(by_alias=True)
    return list(schema["properties"].items())


def _required(model: type[BaseModel]) -> set[str]:
    return set(model.model_json_schema(by_alias=True).get("required", ()))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_null_for_every_optional_parameter_of_a_tool_is_the_same_as_leaving_it_out(name: str) -> None:
    model = MODELS[name]
    optional = {field for field, _ in _walk(model)} - _required(model)
    assert normalized(model, dict.fromkeys(optional)) == {}


def _accepts(schema: Mapping[str, Any], kind: str) -> bool:
    return schema.get("type") == kind or any(_accepts(choice, kind) for choice in schema.get("anyOf", ()))


@cache
def _integers(name: str) -> tuple[str, ...]:
    """The parameters of a tool that want an integer."""
    return tuple(
        field for field, schema in _walk(MODELS[name]) if _accepts(schema, "integer") and not _accepts(schema, "number")
    )


@pytest.mark.parametrize("name", [name for name in sorted(MODELS) if _integers(name)])
@given(whole=st.integers(min_value=-(2**53), max_value=2**53))
def test_a_whole_float_is_an_integer_in_every_tool_that_wants_one(name: str, whole: int) -> None:
    for field in _integers(name):
        fitted = normalized(MODELS[name], {field: float(whole)})
        assert fitted == {field: whole}
        assert type(fitted[field]) is int


@pytest.mark.parametrize("given_value", [60000.0, 60000])
def test_a_time_may_be_a_whole_float(given_value: float) -> None:
    assert check(RequestParams, {"prompt": "x", "timeoutMs": given_value}).timeout_ms == 60_000


@given(st.floats(min_value=2.0**53, allow_nan=False, allow_infinity=False))
def test_a_whole_float_beyond_what_floats_count_exactly_is_that_integer(huge: float) -> None:
    fitted = normalized(Strange, {"required": huge})
    assert type(fitted["required"]) is int
    assert fitted["required"] == huge


@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf"), True, "5"])
def test_what_is_no_whole_number_is_refused_where_an_integer_is_wanted(value: object) -> None:
    with pytest.raises(InvalidRequest, match="timeoutMs"):
        check(RequestParams, {"prompt": "x", "timeoutMs": value})


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(InvalidRequest, match="maxBudgetUsd"):
        check(RequestParams, {"prompt": "x", "maxBudgetUsd": value})


def test_null_and_whole_floats_are_understood_at_every_level() -> None:
    checked = check(
        Strange,
        {
            "required": 1.0,
            "requiredOrNothing": None,
            "inner": {"depth": 2.0, "label": None, "wide": None},
            "inners": [{"depth": 3.0, "wide": None}],
            "byName": {"x": {"depth": 4.0, "label": None}},
            "either": {"kind": "b", "share": 5.0, "count": None},
            "numberOrWords": 6.0,
            "anyNumber": 7.0,
            "numbers": [8.0, 9],
            "pairs": {"y": 10.0},
            "defaulted": None,
            "bounded": None,
            "literal": 2.0,
            "called": None,
        },
    )
    assert (checked.required, checked.required_or_nothing, checked.defaulted, checked.bounded) == (1, None, 5, 2)
    assert checked.inner == Inner(depth=2)
    assert checked.inners == [Inner(depth=3)]
    assert checked.by_name == {"x": Inner(depth=4)}
    assert checked.either == OfOtherKind(kind="b", share=5.0)
    assert (checked.number_or_words, checked.any_number, checked.numbers, checked.pairs) == (6, 7.0, [8, 9], {"y": 10})
    assert (checked.literal, checked.named) == (2, "n")


def test_the_parts_of_a_prompt_may_be_null() -> None:
    parts = {"system": None, "task": "x", "cacheControl": {"system": None}}
    checked = check(RequestParams, {"prompt": None, "promptParts": parts, "resumeLatest": None, "onBusy": None})
    assert checked.prompt_parts is not None
    assert checked.prompt_parts.task == "x"
    assert checked.on_busy == "refuse"
    assert checked.model_fields_set == {"prompt_parts"}


def test_values_without_a_schema_stay_as_they_are() -> None:
    free = {"type": "object", "default": None, "n": 1.0, "list": [None, 2.0]}
    checked = check(RequestParams, {"prompt": "x", "outputSchema": free})
    assert checked.output_schema == free
    assert type(checked.output_schema["n"]) is float


def test_null_for_a_required_parameter_says_that_it_is_required() -> None:
    with pytest.raises(InvalidRequest, match="required is required"):
        check(Strange, {"required": None, "requiredOrNothing": None})


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"allowedTools": '["a", "b"]'}, '["a", "b"]'),
        ({"allowedTools": "Read"}, '["Read"]'),
        ({"outputSchema": '{"type": "object"}'}, '{"type": "object"}'),
        ({"promptParts": '{"task": "x"}'}, '{"task": "x"}'),
        ({"forceRefresh": "true"}, "true"),
        ({"forceRefresh": "False"}, "false"),
        ({"timeoutMs": "60000"}, "60000"),
        ({"maxBudgetUsd": "1.5"}, "1.5"),
        ({"correlationId": 12}, "it as text, in quotes"),
        ({"promptParts": {"task": "x", "cacheControl": '{"system": true}'}}, '{"system": true}'),
        ({"promptParts": {"task": "x", "cacheControl": {"system": "true"}}}, "true"),
    ],
)
def test_text_in_place_of_a_value_is_refused_with_the_value_to_send(arguments: dict[str, object], sent: str) -> None:
    base = {} if "promptParts" in arguments else {"prompt": "x"}
    with pytest.raises(InvalidRequest) as caught:
        check(RequestParams, {**base, **arguments})
    assert caught.value.message.endswith(f"; send {sent}")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_array_object_and_boolean_sent_as_text_is_answered_with_the_value_to_send(name: str) -> None:
    model = MODELS[name]
    for field, schema in _walk(model):
        for kind, value in (("array", ["a"]), ("object", {"a": "b"}), ("boolean", True)):
            if _accepts(schema, kind) and not _accepts(schema, "string"):
                with pytest.raises(InvalidRequest) as caught:
                    check(model, {field: json.dumps(value)})
                assert f"send {json.dumps(value)}" in caught.value.message


def test_a_very_long_corrected_value_is_described() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(RequestParams, {"prompt": "x", "allowedTools": json.dumps(["a" * 300] * 100)})
    assert len(caught.value.message) < 500


def test_a_model_whose_schema_cannot_be_made_is_checked_all_the_same() -> None:
    class Odd(Wire, arbitrary_types_allowed=True):
        count: int = 1
        thing: complex | None = None

    assert check(Odd, {"count": 2}).count == 2
