"""The result of a tool call, as the SDK's type: see `results.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp import types
from pydantic import BaseModel

from llm_gateway import Operation
from llm_gateway.errors import GatewayError
from llm_gateway_transport_mcp.results import crash_result, error_content, operation_result


def result_answer(operation: Operation, result: BaseModel) -> types.CallToolResult:
    """Return a result as text and as data."""
    return _answer(operation_result(operation, result))


def error_answer(error: GatewayError, schema: Mapping[str, Any] | None) -> types.CallToolResult:
    """Return an error as text and, as far as the tool's output schema allows, as data."""
    return _answer(error_content(error, schema or {}))


def crash_answer(name: str, correlation: str) -> types.CallToolResult:
    """Return the answer to a defect of the gateway or a plugin."""
    return _answer(crash_result(name, correlation))


def _answer(result: Mapping[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(**content) for content in result["content"]],
        structured_content=result.get("structuredContent"),
        is_error=result["isError"],
    )
