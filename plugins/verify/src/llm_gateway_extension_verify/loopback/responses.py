"""The Responses protocol: POST /v1/responses (streamed or whole). Every beginning of a request is kept by the cache, unasked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from .behaviour import Action, Conversation, Failure, Model, ToolResult
from .pace import pieces
from .prefixes import Counted, PrefixStore, tokens_of
from .wire import Answer, BadRequest, HttpRequest

PATHS = ("/v1/responses",)
_CODES = {
    "invalid": "invalid_request_error",
    "auth": "invalid_api_key",
    "forbidden": "permission_denied",
    "not_found": "model_not_found",
    "too_large": "context_length_exceeded",
    "rate": "rate_limit_exceeded",
    "server": "internal_error",
    "overloaded": "overloaded",
}
#: Words that an agent puts around the user's own.
_FRAMES = ("<user_info>", "<system-reminder>", "<environment_context>", "<user_instructions>", "# AGENTS.md")
_WRAPS = ("<user_query>\n", "\n</user_query>")
#: Cost is told in these units, ten thousand million to a dollar.
_TICKS = {"fresh": 20_000, "read": 5_000, "out": 60_000}
_NO_CREDIT = (
    "The caller does not have permission to execute the specified operation: Your team has either used all available "
    "credits or reached its monthly spending limit."
)
#: What an item of a type lacks when it is announced.
_EMPTY: dict[str, dict[str, Any]] = {"message": {"content": []}, "function_call": {"arguments": ""}}


class Responses:
    """The adapter."""

    def __init__(self, model: Model, prefixes: PrefixStore) -> None:
        self._model = model
        self._prefixes = prefixes

    async def serve(self, request: HttpRequest, answer: Answer, note: dict[str, Any]) -> None:
        """Answer one request; write into `note` what the log shall show."""
        body = request.json()
        key = request.headers.get("authorization", "").removeprefix("Bearer ") or request.headers.get("x-api-key", "")
        name = str(body.get("model", ""))
        note |= {"model": name, "stream": bool(body.get("stream"))}
        wanted = body.get("tool_choice")
        if isinstance(wanted, dict):  # the agent asks on its own account, such as for a title
            note["aside"] = True
            action = Action(tool=str(wanted.get("name")), arguments=_some_arguments(body, str(wanted.get("name"))))
        else:
            talk = Conversation(key=key, model=name, **_said(body))
            note["words"] = talk.words[-1]
            action = self._model.act(talk)
        if action.fail:
            await self.refuse(answer, action.fail)
            return
        if action.hang:
            await asyncio.Event().wait()
        blocks = [*(body.get("tools") or ()), body.get("instructions"), *_items(body)]
        counted = self._prefixes.count(f"{key} {name}", blocks, range(len(blocks)))
        response = _response(name, action, self.usage(counted, action), self.call(action))
        note["usage"] = response["usage"]
        if body.get("stream"):
            await _stream(answer, response, action)
        elif action.drop:
            answer.cut()
        else:
            await answer.send(200, response)

    async def refuse(self, answer: Answer, failure: Failure) -> None:
        """Answer with an error."""
        status, code, message = failure.status, _CODES.get(failure.kind, "failed"), failure.message
        if failure.kind == "billing":
            status, code, message = 403, "permission_denied", _NO_CREDIT
        headers = {"retry-after": failure.retry_after} if failure.retry_after else {}
        await answer.send(status, {"error": {"type": code, "code": code, "message": message, "param": None}}, headers)

    def usage(self, counted: Counted, action: Action) -> dict[str, Any]:
        """Tell the tokens, and what they cost."""
        fresh = counted.fresh + counted.written
        told = _usage(counted, action)
        ticks = _TICKS["fresh"] * fresh + _TICKS["read"] * counted.read + _TICKS["out"] * told["output_tokens"]
        return {**told, "cost_in_usd_ticks": ticks}

    def call(self, action: Action) -> dict[str, Any]:
        """The call of a tool."""
        ids = {"id": f"fc_{uuid4().hex}", "call_id": f"call_{uuid4().hex}", "status": "completed"}
        return {"type": "function_call", **ids, "name": action.tool, "arguments": json.dumps(action.arguments)}


def _items(body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else given or []


def _said(body: dict[str, Any]) -> dict[str, Any]:
    words: list[str] = []
    results: list[ToolResult] = []
    for item in _items(body):
        if item.get("role") == "user":
            own = "\n".join(text for text in _texts(item.get("content")) if not text.startswith(_FRAMES))
            if own:
                words.append(own.removeprefix(_WRAPS[0]).removesuffix(_WRAPS[1]))
                results = []
        elif item.get("type") in ("function_call_output", "custom_tool_call_output"):
            text = "".join(_texts(item.get("output")))
            results.append(ToolResult(text=text, failed=False))
    if not words:
        raise BadRequest("the user said nothing")
    return {"words": words, "results": results}


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    else:
        yield from (part["text"] for part in content or () if isinstance(part.get("text"), str))


def _some_arguments(body: dict[str, Any], name: str) -> dict[str, str]:
    tool: dict[str, Any] = next((tool for tool in body.get("tools") or () if tool.get("name") == name), {})
    return dict.fromkeys(tool.get("parameters", {}).get("properties", {}), "a title")


def _usage(counted: Counted, action: Action) -> dict[str, Any]:
    out = 5 + tokens_of(action.text.encode()) + (tokens_of(action.arguments) if action.tool else 0)
    whole = counted.fresh + counted.written + counted.read
    return {
        "input_tokens": whole,
        "input_tokens_details": {"cached_tokens": counted.read},
        "output_tokens": out,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": whole + out,
    }


def _response(model: str, action: Action, usage: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if text := "I cannot help with that." if action.refuse else action.text:
        part = {"type": "output_text", "text": text, "annotations": []}
        output.append(
            {
                "type": "message",
                "id": f"msg_{uuid4().hex}",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    if action.tool:
        output.append(call)
    fixed = {"id": f"resp_{uuid4().hex}", "object": "response", "created_at": 0, "model": model, "error": None}
    ended: dict[str, Any] = {"status": "completed", "incomplete_details": None}
    if action.refuse:
        ended = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    return {**fixed, **ended, "output": output, "usage": usage}


async def _stream(answer: Answer, response: dict[str, Any], action: Action) -> None:
    number = 0

    async def send(kind: str, **more: Any) -> None:
        nonlocal number
        number += 1
        await answer.event({"type": kind, "sequence_number": number, **more}, name=kind)

    await answer.begin()
    await send("response.created", response={**response, "status": "in_progress", "output": [], "usage": None})
    for index, item in enumerate(response["output"]):
        at = {"item_id": item["id"], "output_index": index}
        empty = _EMPTY.get(item["type"], {})
        await send("response.output_item.added", output_index=index, item={**item, "status": "in_progress", **empty})
        if item["type"] == "function_call":
            await send("response.function_call_arguments.delta", **at, delta=item["arguments"])
            await send("response.function_call_arguments.done", **at, arguments=item["arguments"])
        elif item["type"] == "message":
            (part,) = item["content"]
            await send("response.content_part.added", **at, content_index=0, part={**part, "text": ""})
            async for piece in pieces(part["text"], action.seconds):
                await send("response.output_text.delta", **at, content_index=0, delta=piece, logprobs=[])
            if action.drop:
                answer.cut()
                return
            await send("response.output_text.done", **at, content_index=0, text=part["text"], logprobs=[])
            await send("response.content_part.done", **at, content_index=0, part=part)
        await send("response.output_item.done", output_index=index, item=item)
    await send(f"response.{response['status']}", response=response)
    await answer.end()
