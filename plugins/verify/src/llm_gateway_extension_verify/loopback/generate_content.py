"""The generateContent protocol: POST /v1beta/models/<model>:generateContent, and :streamGenerateContent.

Every beginning of a request is kept by the cache, unasked; of what was written to it, nothing is told.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from .behaviour import Action, Conversation, Failure, Model, ToolResult
from .pace import pieces
from .prefixes import Counted, PrefixStore, tokens_of
from .wire import Answer, BadRequest, HttpRequest

PATH = re.compile(r"/v1(?:beta|alpha)?/models/([^/:]+):(generateContent|streamGenerateContent|countTokens)")
_STATUS = {
    "invalid": "INVALID_ARGUMENT",
    "billing": "PERMISSION_DENIED",
    "auth": "UNAUTHENTICATED",
    "forbidden": "PERMISSION_DENIED",
    "not_found": "NOT_FOUND",
    "too_large": "INVALID_ARGUMENT",
    "rate": "RESOURCE_EXHAUSTED",
    "server": "INTERNAL",
    "overloaded": "UNAVAILABLE",
}
_DETAIL = "type.googleapis.com/google.rpc."
#: Words that an agent puts around the user's own.
_FRAMES = ("<session_context>", "<hook_context>", "\n--- Content from referenced files ---", "\n--- End of content ---")


class GenerateContent:
    """The adapter."""

    def __init__(self, model: Model, prefixes: PrefixStore) -> None:
        self._model = model
        self._prefixes = prefixes

    async def serve(self, request: HttpRequest, answer: Answer, note: dict[str, Any]) -> None:
        """Answer one request; write into `note` what the log shall show."""
        body = request.json()
        path = PATH.fullmatch(request.path)
        assert path
        name, verb = path[1], path[2]
        key = request.headers.get("x-goog-api-key", "")
        streamed = verb == "streamGenerateContent"
        blocks = [body.get("systemInstruction"), *(body.get("tools") or ()), *(body.get("contents") or ())]
        note |= {"model": name, "stream": streamed}
        if verb == "countTokens":
            await answer.send(200, {"totalTokens": sum(map(tokens_of, blocks))})
            return
        talk = Conversation(key=key, model=name, **_said(body))
        note["words"] = talk.words[-1]
        wanted = (body.get("generationConfig") or {}).get("responseMimeType")
        if wanted == "application/json":  # the agent asks on its own account, such as which model to take
            note["aside"] = True
            action = Action(text='{"reasoning": "small", "model_choice": "flash", "complexity_score": 1}')
        else:
            action = self._model.act(talk)
        if action.fail:
            await _refuse(answer, action.fail, name)
            return
        if action.hang:
            await asyncio.Event().wait()
        counted = self._prefixes.count(f"{key} {name}", blocks, range(len(blocks)))
        usage = _usage(counted, action)
        note["usage"] = usage
        if streamed:
            await _stream(answer, name, action, usage)
        elif action.drop:
            answer.cut()
        else:
            parts = [part async for part in _parts(action)]
            await answer.send(200, _chunk(name, parts, _finish(action), usage))


def _said(body: dict[str, Any]) -> dict[str, Any]:
    words: list[str] = []
    results: list[ToolResult] = []
    for content in body.get("contents") or ():
        if content.get("role") != "user":
            continue
        parts = content.get("parts") or ()
        own = [text for part in parts if (text := part.get("text")) and not text.startswith(_FRAMES)]
        given = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if own and not given:
            words.append("\n".join(own))
            results = []
        results += [_result(response.get("response") or {}) for response in given]
    if not words:
        raise BadRequest("the user said nothing")
    return {"words": words, "results": results}


def _result(response: dict[str, Any]) -> ToolResult:
    text = response.get("error", response.get("output", ""))
    return ToolResult(text=text if isinstance(text, str) else str(text), failed="error" in response)


def _usage(counted: Counted, action: Action) -> dict[str, int]:
    out = 5 + tokens_of(action.text.encode()) + (tokens_of(action.arguments) if action.tool else 0)
    whole = counted.fresh + counted.written + counted.read
    usage = {"promptTokenCount": whole, "candidatesTokenCount": out, "totalTokenCount": whole + out}
    return {**usage, **({"cachedContentTokenCount": counted.read} if counted.read else {})}


def _finish(action: Action) -> str:
    return "SAFETY" if action.refuse else "STOP"


async def _parts(action: Action) -> Any:
    if action.text:
        async for piece in pieces(action.text, action.seconds):
            yield {"text": piece}
    if action.tool:
        yield {"functionCall": {"id": f"call_{uuid4().hex[:12]}", "name": action.tool, "args": action.arguments}}


def _chunk(name: str, parts: list[dict[str, Any]], finish: str | None, usage: dict[str, int]) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": name, "responseId": uuid4().hex}


async def _stream(answer: Answer, name: str, action: Action, usage: dict[str, int]) -> None:
    await answer.begin()
    async for part in _parts(action):
        await answer.event(_chunk(name, [part], None, {**usage, "candidatesTokenCount": 1}))
    if action.drop:
        answer.cut()
        return
    await answer.event(_chunk(name, [{"text": ""}], _finish(action), usage))
    await answer.end()


async def _refuse(answer: Answer, failure: Failure, name: str) -> None:
    details = list(_details(failure))
    message = failure.message
    if failure.kind == "not_found":
        message = f"models/{name} is not found for API version v1beta, or is not supported for generateContent."
    status = 503 if failure.status == 529 else failure.status
    error = {"code": status, "message": message, "status": _STATUS.get(failure.kind, "INTERNAL"), "details": details}
    await answer.send(status, {"error": error})


def _details(failure: Failure) -> Iterator[dict[str, Any]]:
    if failure.kind == "rate":
        yield {
            "@type": f"{_DETAIL}QuotaFailure",
            "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}],
        }
        if failure.retry_after:
            yield {"@type": f"{_DETAIL}RetryInfo", "retryDelay": f"{failure.retry_after}s"}
