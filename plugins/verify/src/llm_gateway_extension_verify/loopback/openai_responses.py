"""The Responses protocol as OpenAI's own service speaks it: POST /openai/v1/responses.

Its own are the errors, the written part of the cache in the tokens, and tools that take free text: `TOOL:name {"input": "…"}`
calls such a one.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from .behaviour import Action, Failure
from .prefixes import Counted
from .responses import Responses
from .wire import Answer

PATHS = ("/openai/v1/responses",)
#: kind -> status, type and code of the error
_ERRORS: dict[str, tuple[int, str, str | None]] = {
    "invalid": (400, "invalid_request_error", "invalid_value"),
    "billing": (429, "insufficient_quota", "insufficient_quota"),
    "auth": (401, "invalid_request_error", "invalid_api_key"),
    "forbidden": (403, "invalid_request_error", None),
    "not_found": (400, "invalid_request_error", "model_not_found"),
    "too_large": (400, "invalid_request_error", "context_length_exceeded"),
    "rate": (429, "rate_limit_error", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", "server_is_overloaded"),
}


class OpenAiResponses(Responses):
    """The adapter."""

    async def refuse(self, answer: Answer, failure: Failure) -> None:
        """Answer with an error."""
        status, kind, code = _ERRORS.get(failure.kind, (failure.status, "server_error", None))
        headers = {"x-request-id": f"req_{uuid4().hex}"}
        if failure.retry_after:
            headers["retry-after"] = failure.retry_after
        await answer.send(status, {"error": {"message": failure.message, "type": kind, "code": code}}, headers)

    def usage(self, counted: Counted, action: Action) -> dict[str, Any]:
        """Tell the tokens; what they cost is never told here."""
        told = super().usage(counted, action)
        told.pop("cost_in_usd_ticks")
        told["input_tokens_details"]["cache_write_tokens"] = counted.written
        told["output_tokens_details"]["reasoning_tokens"] = 2
        return told

    def call(self, action: Action) -> dict[str, Any]:
        """The call of a tool."""
        called = super().call(action)
        if list(action.arguments) == ["input"]:
            called.pop("arguments")
            called |= {"type": "custom_tool_call", "input": action.arguments["input"]}
        return called
