"""The result of a tool call.

Some clients read only the text of a result, others only its structured content, so both hold everything important. Some clients
check structured content against the output schema also when the call failed. The listed schemas therefore require nothing at their
root, so that `{"status": "failed", "error": {...}}` is valid for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp import types
from pydantic import BaseModel

from llm_gateway import Operation, json_of
from llm_gateway.errors import GatewayError


def result_answer(operation: Operation, result: BaseModel) -> types.CallToolResult:
    """Return a result as text and as data. Fields that are None are left out."""
    data = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    text = operation.text(result) if operation.text else json_of(result, by_alias=True, exclude_none=True)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)],
        structured_content=data,
        is_error=operation.failed(result),
    )


def error_answer(error: GatewayError, schema: Mapping[str, Any] | None) -> types.CallToolResult:
    """Return an error as text and, as far as the tool's output schema allows, as data."""
    text = f"{error.code}: {error.message}"
    if error.recovery:
        text += f"\n{error.recovery}"
    if error.provider_message:
        text += f"\nThe provider said: {error.provider_message}"
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)],
        structured_content=_as_data(error, schema or {}),
        is_error=True,
    )


def crash_answer(name: str, correlation: str) -> types.CallToolResult:
    """Return the answer to a defect of the gateway or a plugin: it names the log, without any details."""
    text = f"{name}: internal error; see the gateway's log (correlation {correlation})."
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)


def _as_data(error: GatewayError, schema: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {"error": error.to_wire()}
    if _allows(schema.get("properties", {}).get("status", {}), "failed", schema):
        data = {"status": "failed", **data}
    return data


def _allows(schema: Mapping[str, Any], value: str, root: Mapping[str, Any]) -> bool:
    if "$ref" in schema:
        return _allows(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(_allows(choice, value, root) for choice in schema["anyOf"])
    return bool(schema.get("const", value) == value and schema.get("type", "string") == "string")
