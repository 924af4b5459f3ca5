"""Every tool and every parameter that is listed says what it does, in a sentence, to a model that has never seen this gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from llm_gateway.model.posture import Posture
from llm_gateway.opening import find_plugins
from llm_gateway.operations.surface import collect
from llm_gateway_transport_mcp.tools import listing
from tests.integration.gateway.world import Home

#: Words that say nothing about a parameter.
EMPTY = {"the", "a", "an", "of", "this", "your", "value", "parameter", "option", "setting", "string", "number", "list"}


@pytest.fixture
def tools(home: Home) -> dict[str, dict[str, Any]]:
    host, _ = find_plugins(home.env)
    listed = listing(collect(host).operations.values()).tools
    return {tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed}


def parameters(schema: dict[str, Any], root: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a schema, at every depth: of objects, of items, of alternatives, behind references."""
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}{name}", inner
        yield from parameters(inner, root, f"{path}{name}.")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from parameters(schema[key], root, f"{path}[].")
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("prefixItems", ())):
        yield from parameters(choice, root, path)


def words(text: str) -> list[str]:
    return [word.casefold() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", text)]


def problem(name: str, description: str) -> str | None:
    """What is wrong with a description, if anything."""
    own = set(words(name))
    if not description:
        return "it has none"
    if not re.match(r"[A-Z`\"]|\w+(_\w+)+|[a-z]+[A-Z]\w+", description) or not description.endswith((".", "?")):
        return f"it is no sentence: {description}"
    if len(words(description)) < 3:
        return f"it is too short: {description}"
    if not {word for word in words(description) if word not in own | EMPTY and word.rstrip("s") not in own}:
        return f"it only repeats the name: {description}"
    return None


def test_the_check_of_a_description_finds_what_is_wrong() -> None:
    assert problem("maxTurns", "")
    assert problem("maxTurns", "The max turns.")
    assert problem("maxTurns", "Max number of turns")
    assert problem("maxTurns", "limit of turns.")
    assert problem("maxTurns", "End the run after this many agent steps.") is None


def test_every_parameter_of_every_tool_is_described(tools: dict[str, dict[str, Any]]) -> None:
    found = {
        f"{tool}.{name}": problem(name.rpartition(".")[2], schema.get("description", ""))
        for tool, shown in tools.items()
        for name, schema in parameters(shown["inputSchema"], shown["inputSchema"])
    }
    assert len(found) > 300
    assert "claude_request.promptParts.cacheControl.context" in found
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_every_tool_is_described_with_what_it_does_and_more(tools: dict[str, dict[str, Any]]) -> None:
    found = {name: problem(name, shown["description"]) for name, shown in tools.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert [name for name, shown in tools.items() if len(words(shown["description"])) < 8] == []


def test_every_level_of_posture_is_explained(tools: dict[str, dict[str, Any]]) -> None:
    for name, shown in tools.items():
        if name.endswith("_request"):
            text = shown["inputSchema"]["properties"]["posture"]["description"]
            assert [level.value for level in Posture if not re.search(rf"\b{level.value}:? \w+", text)] == []


def test_a_description_names_only_tools_that_exist(tools: dict[str, dict[str, Any]]) -> None:
    for name, shown in tools.items():
        texts = [shown["description"]]
        texts += [schema["description"] for _, schema in parameters(shown["inputSchema"], shown["inputSchema"])]
        named = set(re.findall(r"\b(?:llm|session|review|list|cli)_[a-z_]+\b", " ".join(texts)))
        assert named <= tools.keys(), name


def test_a_request_says_what_comes_back_and_what_to_call_next(tools: dict[str, dict[str, Any]]) -> None:
    for name, shown in tools.items():
        if name.endswith(("_request", "_request_async")):
            assert "returns" in shown["description"]
            assert "llm_job_wait" in shown["description"]
            assert "llm_job_result" in shown["description"]
