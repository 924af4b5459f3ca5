"""The Messages protocol: POST /v1/messages (streamed or whole) and /v1/messages/count_tokens."""

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

PATHS = ("/v1/messages", "/v1/messages/count_tokens")
_ERRORS = {
    "invalid": "invalid_request_error",
    "billing": "invalid_request_error",
    "auth": "authentication_error",
    "forbidden": "permission_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate": "rate_limit_error",
    "server": "api_error",
    "overloaded": "overloaded_error",
}
#: Words that an agent puts around the user's own.
_FRAMES = ("<system-reminder>", "[Your previous response had no visible output", "Your response above was ")


class Messages:
    """The adapter."""

    def __init__(self, model: Model, prefixes: PrefixStore) -> None:
        self._model = model
        self._prefixes = prefixes

    async def serve(self, request: HttpRequest, answer: Answer, note: dict[str, Any]) -> None:
        """Answer one request; write into `note` what the log shall show."""
        body = request.json()
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        blocks, marks = _blocks(body)
        if request.path.endswith("/count_tokens"):
            await answer.send(200, {"input_tokens": sum(map(tokens_of, blocks))})
            return
        talk = Conversation(key=key, model=str(body.get("model", "")), **_said(body))
        note |= {"model": talk.model, "words": talk.words[-1], "stream": bool(body.get("stream"))}
        action = _overmarked(marks) or self._model.act(talk)
        if action.fail:
            await _refuse(answer, action.fail)
            return
        if action.hang:
            await asyncio.Event().wait()
        counted = self._prefixes.count(f"{key} {talk.model}", blocks, [index for index, _ in marks])
        message = _message(talk.model, action, _usage(counted, marks, _spent(action)))
        note["usage"] = message["usage"]
        if body.get("stream"):
            await _stream(answer, message, action, _usage(counted, marks, 1))
        elif action.drop:
            answer.cut()
        else:
            await answer.send(200, message, {"request-id": f"req_{uuid4().hex}"})


def _said(body: dict[str, Any]) -> dict[str, Any]:
    words: list[str] = []
    results: list[ToolResult] = []
    for message in body.get("messages") or ():
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        if message.get("role") != "user":
            continue
        own = [part["text"] for part in parts if part.get("type") == "text" and not part["text"].startswith(_FRAMES)]
        given = [part for part in parts if part.get("type") == "tool_result"]
        if own and not given:
            words.append("\n".join(own))
            results = []
        for part in given:
            inner = part.get("content")
            text = inner if isinstance(inner, str) else "".join(p.get("text", "") for p in inner or ())
            results.append(ToolResult(text=text, failed=bool(part.get("is_error"))))
    if not words:
        raise BadRequest("the user said nothing")
    return {"words": words, "results": results}


def _blocks(body: dict[str, Any]) -> tuple[list[Any], list[tuple[int, str]]]:
    """The request in the order in which it is cached, and its marks: index and time to live."""
    blocks: list[Any] = []
    marks: list[tuple[int, str]] = []
    for block in _in_order(body):
        if isinstance(block, dict) and (mark := block.get("cache_control")):
            marks.append((len(blocks), mark.get("ttl", "5m")))
            block = {name: value for name, value in block.items() if name != "cache_control"}  # noqa: PLW2901
        blocks.append(block)
    return blocks, marks


def _in_order(body: dict[str, Any]) -> Iterator[Any]:
    yield from body.get("tools") or ()
    system = body.get("system")
    yield from [system] if isinstance(system, str) else system or ()
    for message in body.get("messages") or ():
        content = message.get("content")
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content or ()


def _overmarked(marks: list[tuple[int, str]]) -> Action | None:
    words = None
    if len(marks) > 4:
        words = f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}."
    lives = [ttl for _, ttl in marks]
    if "5m" in lives and "1h" in lives[lives.index("5m") :]:
        words = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
    return Action(fail=Failure(status=400, kind="invalid", message=words)) if words else None


def _usage(counted: Counted, marks: list[tuple[int, str]], out: int) -> dict[str, Any]:
    hour = bool(marks) and marks[-1][1] == "1h"
    return {
        "input_tokens": counted.fresh,
        "cache_creation_input_tokens": counted.written,
        "cache_read_input_tokens": counted.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if hour else counted.written,
            "ephemeral_1h_input_tokens": counted.written if hour else 0,
        },
        "output_tokens": out,
        "service_tier": "standard",
    }


def _spent(action: Action) -> int:
    return 5 + tokens_of(action.text.encode()) + (tokens_of(action.arguments) if action.tool else 0)


def _message(model: str, action: Action, usage: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": action.text}] if action.text else []
    if action.tool:
        content.append(
            {"type": "tool_use", "id": f"toolu_{uuid4().hex}", "name": action.tool, "input": action.arguments}
        )
    stop = "refusal" if action.refuse else "tool_use" if action.tool else "end_turn"
    return {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }


async def _refuse(answer: Answer, failure: Failure) -> None:
    headers = {"request-id": f"req_{uuid4().hex}"}
    if failure.retry_after:
        headers["retry-after"] = failure.retry_after
    error = {"type": _ERRORS[failure.kind], "message": failure.message}
    await answer.send(failure.status, {"type": "error", "error": error}, headers)


async def _stream(answer: Answer, message: dict[str, Any], action: Action, start: dict[str, Any]) -> None:
    async def send(kind: str, **more: Any) -> None:
        await answer.event({"type": kind, **more}, name=kind)

    await answer.begin({"request-id": f"req_{uuid4().hex}"})
    await send("message_start", message={**message, "content": [], "stop_reason": None, "usage": start})
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            await send("content_block_start", index=index, content_block={"type": "text", "text": ""})
            async for piece in pieces(block["text"], action.seconds):
                await send("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        else:
            await send("content_block_start", index=index, content_block={**block, "input": {}})
            given = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
            await send("content_block_delta", index=index, delta=given)
        await send("content_block_stop", index=index)
    if action.drop:
        answer.cut()
        return
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    await send("message_delta", delta=delta, usage={"output_tokens": message["usage"]["output_tokens"]})
    await send("message_stop")
    await answer.end()
