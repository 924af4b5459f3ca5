"""What a plugin brings may be anything: it is shown, or it is left out and its plugin is named. The lists stay whole."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from llm_gateway import CallContext, Gateway, Operation, PromptTemplate, Resource
from llm_gateway_transport_mcp.manifest import results_of
from llm_gateway_transport_mcp.serializable import MAX_BYTES, NotSerializable, plain_json
from llm_gateway_transport_mcp.server import build_server
from llm_gateway_transport_mcp.tools import listing

WORDS = st.one_of(st.text(max_size=8), st.sampled_from(["", "\ud800", "\0", "a\nb", "x" * 200, "$ref", "/", "ä"]))
ODD = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.binary(max_size=3)),
    st.builds(object),
    st.just({1, 2}),
)
KEYS = st.sampled_from(
    [
        "type",
        "properties",
        "required",
        "$defs",
        "$ref",
        "anyOf",
        "oneOf",
        "allOf",
        "items",
        "enum",
        "const",
        "default",
        "title",
        "description",
        "not",
        "if",
        "then",
        "else",
        "additionalProperties",
        "patternProperties",
        "prefixItems",
        "$anchor",
        "$id",
        "minimum",
        "pattern",
        "format",
        "discriminator",
    ]
)
REFS = st.sampled_from(["#/$defs/a", "#/$defs/b", "#/$defs/none", "#", "http://127.0.0.1:9/x", "#/$defs/"])
VALUES = st.sampled_from(["object", "string", "array", ["string", "null"], {"type": "null"}, True, [], {}, 0, None])
SCHEMAS = st.recursive(
    st.one_of(ODD, VALUES, REFS.map(lambda ref: {"$ref": ref})),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(KEYS, KEYS, WORDS), inner, max_size=4),
        st.fixed_dictionaries({"type": st.just("object"), "properties": st.dictionaries(WORDS, inner, max_size=3)}),
        st.fixed_dictionaries({"anyOf": st.lists(inner, max_size=3)}),
    ),
    max_leaves=12,
)
ROOTS = st.one_of(
    SCHEMAS,
    st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(WORDS, SCHEMAS, max_size=3),
            "$defs": st.dictionaries(st.sampled_from("ab"), SCHEMAS, max_size=2),
            "required": st.one_of(st.lists(WORDS, max_size=2), SCHEMAS),
            "additionalProperties": SCHEMAS,
        },
    ),
)


class Good(BaseModel):
    """Takes nothing."""


async def nothing(gateway: Gateway, params: Any, context: CallContext) -> Good:
    return Good()


def model_of(schema: Any) -> type[BaseModel]:
    class Hostile(BaseModel):
        @classmethod
        def model_json_schema(cls, *args: Any, **how: Any) -> Any:  # noqa: ARG003 - as pydantic calls it
            return schema

    return Hostile


def tool(name: Any = "hostile", **changes: Any) -> Operation:
    plain: dict[str, Any] = {"title": "T", "description": "D.", "params": Good, "result": Good, "handler": nothing}
    return Operation(name=name, **plain | changes)


@given(schema=ROOTS)
def test_any_schema_is_shown_as_one_that_clients_can_use_or_not_at_all(schema: Any) -> None:
    hostile = [tool(params=model_of(schema)), tool("other", result=model_of(schema))]
    shown = listing([tool("a"), *hostile, tool("z")])
    assert {"a", "z"} <= {each.name for each in shown.tools}
    text = shown.model_dump_json(by_alias=True, exclude_none=True)
    for each in json.loads(text.encode())["tools"]:
        for kind in ("inputSchema", "outputSchema"):
            assert each[kind]["type"] == "object"
            Draft202012Validator.check_schema(each[kind])


@given(name=WORDS, title=ODD, description=ODD)
def test_any_name_and_any_words_are_shown_or_left_out(name: Any, title: Any, description: Any) -> None:
    shown = listing([tool("a"), tool(name, title=title, description=description), tool("z")])
    assert {"a", "z"} <= {each.name for each in shown.tools}
    shown.model_dump_json(by_alias=True, exclude_none=True).encode()


def test_what_is_left_out_is_logged_in_words_that_can_be_written(caplog: pytest.LogCaptureFixture) -> None:
    listing([tool("half \ud800 a name", title="half \udfff a title")])
    assert "half \\ud800 a name is not listed" in caplog.text
    caplog.text.encode()


def endless() -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    schema["properties"]["self"] = schema
    return schema


def deep() -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(300):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def wide() -> dict[str, Any]:
    return {"type": "object", "properties": {f"field{number}": {"type": "string"} for number in range(20_000)}}


def doubling() -> dict[str, Any]:
    names = [f"d{number}" for number in range(40)]
    twice = {
        name: {"type": "object", "properties": {side: {"$ref": f"#/$defs/{after}"} for side in "ab"}}
        for name, after in zip(names, [*names[1:], names[-1]], strict=True)
    }
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": twice}


@pytest.mark.parametrize("make", [endless, deep, wide])
def test_a_schema_without_end_or_measure_is_left_out(make: Any) -> None:
    shown = listing([tool("a"), tool(params=model_of(make())), tool("z")]).tools
    assert [each.name for each in shown] == ["a", "z"]


def test_a_schema_that_would_double_with_each_definition_stays_small() -> None:
    shown = listing([tool(params=model_of(doubling()))])
    assert len(shown.model_dump_json()) < MAX_BYTES


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"", {1, 2}, object(), "\ud800", [[[]]] * 400_000])
def test_what_json_cannot_hold_is_not_serializable(value: Any) -> None:
    with pytest.raises(NotSerializable):
        plain_json({"value": value})


async def read(gateway: Gateway, values: Any, context: CallContext) -> str:
    return ""


class Hostage(Gateway):
    """A gateway whose plugins bring one good thing of each kind and one that is none."""

    version, instructions, defers, absent = "0", "", False, frozenset()
    operations: Any = None
    resources: Any = None
    prompts: Any = None

    def __init__(self, odd: Any) -> None:
        words: dict[str, Any] = {"title": "T", "description": "D."}
        self.operations = {"good": tool("good"), "odd": tool("odd", title=odd, params=model_of(odd))}
        self.resources = [
            Resource(uri="good://one", name="good", description="D.", read=read),
            Resource(uri=odd, name="odd", description=odd, read=read),
            Resource(uri="good://{one}", name="good", description="D.", read=read),
        ]
        self.prompts = [
            PromptTemplate(name="good", render=lambda given: "", **words),
            PromptTemplate(name="odd", arguments=odd, render=lambda given: "", **words),
        ]
        self.reported: list[str] = []

    def listed_operations(self) -> list[Operation]:
        return list(self.operations.values())

    @property
    def host(self) -> Any:
        return self

    def report(self, plugin: str, problem: str) -> None:
        self.reported.append(f"{plugin}: {problem}")


ODD = ["\ud800", 17, None, object(), {"a": "\ud800"}, b"\xff"]


@pytest.mark.parametrize("odd", ODD, ids=["surrogate", "number", "none", "object", "inside", "bytes"])
def test_what_cannot_be_told_is_left_out_of_every_list_and_of_the_manifest(odd: Any) -> None:
    gateway = Hostage(odd)
    brought = [("extension:odd", each) for each in gateway.operations.values()]
    found = dict(gateway.operations)
    gateway.__dict__["operations"] = found
    type(gateway).host = property(lambda self: _Host(self, brought))  # type: ignore[assignment, method-assign]
    told = asyncio.run(asyncio.wait_for(results_of(build_server(gateway), "2025-11-25"), 30))
    lists = {method: json.loads(text) for method, text in told.items()}
    assert [each["name"] for each in lists["tools/list"]["tools"]] == ["good"]
    assert {each["name"] for each in lists["resources/list"]["resources"]} == {"good"}
    assert {each["name"] for each in lists["resources/templates/list"]["resourceTemplates"]} == {"good"}
    assert "good" in {each["name"] for each in lists["prompts/list"]["prompts"]}
    assert any("extension:odd" in words and "odd" in words for words in gateway.reported)


class _Host:
    def __init__(self, gateway: Hostage, brought: list[tuple[str, Operation]]) -> None:
        self._gateway, self._brought = gateway, brought

    def operations(self) -> list[tuple[str, Operation]]:
        return self._brought

    def report(self, plugin: str, problem: str) -> None:
        self._gateway.report(plugin, problem)
