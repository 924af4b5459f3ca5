"""The Chat Completions protocol: POST /v1/chat/completions, streamed or whole.

Nothing is marked: the service keeps every beginning by itself, and tells the tokens that it read as a part of the prompt's.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

from .behaviour import Action, Conversation, Failure, Model, ToolResult
from .pace import pieces
from .prefixes import PrefixStore, tokens_of
from .wire import Answer, BadRequest, HttpRequest

PATHS = ("/v1/chat/completions",)
_TYPES = {
    "invalid": "invalid_request_error",
    "billing": "invalid_request_error",
    "auth": "unauthorized",
    "forbidden": "forbidden",
    "not_found": "invalid_model",
    "too_large": "invalid_request_error",
    "rate": "rate_limited",
    "server": "internal_server_error",
    "overloaded": "service_unavailable",
}


class ChatCompletions:
    """The adapter."""

    def __init__(self, model: Model, prefixes: PrefixStore) -> None:
        self._model = model
        self._prefixes = prefixes

    async def serve(self, request: HttpRequest, answer: Answer, note: dict[str, Any]) -> None:
        """Answer one request; write into `note` what the log shall show."""
        body = request.json()
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        talk = Conversation(key=key, model=str(body.get("model", "")), **_said(body))
        note |= {"model": talk.model, "words": talk.words[-1], "stream": bool(body.get("stream"))}
        action = self._model.act(talk)
        if action.fail:
            await _refuse(answer, action.fail)
            return
        if action.hang:
            await asyncio.Event().wait()
        blocks = [body.get("tools") or [], *body["messages"]]
        counted = self._prefixes.count(f"{key} {talk.model}", blocks, range(len(blocks)))
        usage = _usage(counted.fresh + counted.read + counted.written, counted.read, action)
        note["usage"] = usage
        if body.get("stream"):
            await _stream(answer, talk.model, action, usage)
        elif action.drop:
            answer.cut()
        else:
            message = {"role": "assistant", "content": action.text, "tool_calls": _calls(action) or None}
            choice = {"index": 0, "message": message, "finish_reason": _stop(action)}
            await answer.send(200, {**_head(talk.model, "chat.completion"), "choices": [choice], "usage": usage})


#: Begins what an agent adds to the user's own words.
_FRAME = "<system-reminder>"


def _said(body: dict[str, Any]) -> dict[str, Any]:
    words: list[str] = []
    results: list[ToolResult] = []
    for message in body.get("messages") or ():
        text = _text(message.get("content"))
        if message.get("role") == "user":
            if text:
                words.append(text)
                results = []
        elif message.get("role") == "tool":
            results.append(ToolResult(text=text, failed=False))  # the protocol does not tell
    if not words:
        raise BadRequest("the user said nothing")
    return {"words": words, "results": results}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = (part.get("text", "") for part in content or () if part.get("type") == "text")
    return "".join(text for text in texts if not text.startswith(_FRAME))


def _usage(asked: int, read: int, action: Action) -> dict[str, Any]:
    spent = 5 + tokens_of(action.text.encode()) + (tokens_of(action.arguments) if action.tool else 0)
    return {
        "prompt_tokens": asked,
        "completion_tokens": spent,
        "total_tokens": asked + spent,
        "prompt_tokens_details": {"cached_tokens": read},
    }


def _calls(action: Action) -> list[dict[str, Any]]:
    if not action.tool:
        return []
    function = {"name": action.tool, "arguments": json.dumps(action.arguments)}
    return [{"index": 0, "id": uuid4().hex[:9], "type": "function", "function": function}]


def _stop(action: Action) -> str:
    return "content_filter" if action.refuse else "tool_calls" if action.tool else "stop"


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": f"chat-{uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


async def _refuse(answer: Answer, failure: Failure) -> None:
    headers = {"retry-after": failure.retry_after} if failure.retry_after else {}
    error = {"message": failure.message, "type": _TYPES[failure.kind], "param": None, "code": str(failure.status)}
    await answer.send(failure.status, {"object": "error", **error}, headers)


async def _stream(answer: Answer, model: str, action: Action, usage: dict[str, Any]) -> None:
    head = _head(model, "chat.completion.chunk")

    async def send(delta: dict[str, Any], **more: Any) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": more.pop("stop", None)}
        await answer.event({**head, "choices": [choice], **more})

    await answer.begin()
    await send({"role": "assistant", "content": ""})
    async for piece in pieces(action.text, action.seconds):
        await send({"content": piece})
    if action.drop:
        answer.cut()
        return
    if action.tool:
        await send({"tool_calls": _calls(action)})
    await send({}, stop=_stop(action), usage=usage)
    await answer.event("[DONE]")
    await answer.end()
