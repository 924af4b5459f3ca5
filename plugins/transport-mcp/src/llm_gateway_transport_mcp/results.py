"""The result of a tool call, as it is on the wire.

Some clients read only the text of a result, others only its structured content, so both hold everything important. Some clients
check structured content against the output schema also when the call failed. The listed schemas therefore require nothing at their
root, so that `{"status": "failed", "error": {...}}` is valid for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from llm_gateway import Operation, json_of
from llm_gateway.errors import GatewayError
from llm_gateway_transport_mcp.schema import output_schema


def operation_result(operation: Operation, result: BaseModel) -> dict[str, Any]:
    """Return a result as text and as data. Fields that are None are left out."""
    data = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    text = operation.text(result) if operation.text else json_of(result, by_alias=True, exclude_none=True)
    return {"content": [_text(text)], "isError": operation.failed(result), "structuredContent": data}


def error_result(error: GatewayError, operation: Operation) -> dict[str, Any]:
    """Return an error as text and, as far as the tool's output schema allows, as data."""
    return error_content(error, _schema_of(operation.result))


def error_content(error: GatewayError, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return an error as text and, as far as this output schema allows, as data."""
    text = f"{error.code}: {error.message}"
    if error.recovery:
        text += f"\n{error.recovery}"
    if error.provider_message:
        text += f"\nThe provider said: {error.provider_message}"
    return {"content": [_text(text)], "isError": True, "structuredContent": _as_data(error, schema)}


def crash_result(name: str, correlation: str) -> dict[str, Any]:
    """Return the answer to a defect of the gateway or a plugin: it names the log, without any details."""
    text = f"{name}: internal error; see the gateway's log (correlation {correlation})."
    return {"content": [_text(text)], "isError": True}


def _text(text: str) -> dict[str, Any]:
    return {"text": text, "type": "text"}


@cache
def _schema_of(model: type[BaseModel]) -> Mapping[str, Any]:
    """Return a result's schema; an empty one if it cannot be used, and the tool is therefore not listed."""
    try:
        return output_schema(model)
    except Exception:  # a plugin's model may raise anything
        return {}


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
