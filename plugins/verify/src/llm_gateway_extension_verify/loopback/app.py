"""The server: connections, routes, and the log of what was asked."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import Any, Protocol

from . import anthropic_messages, chat_completions, openai_responses, responses
from .anthropic_messages import Messages
from .behaviour import Model
from .chat_completions import ChatCompletions
from .generate_content import PATH as GENERATE, GenerateContent
from .openai_responses import OpenAiResponses
from .prefixes import PrefixStore
from .responses import Responses
from .wire import HEAD_LIMIT, Answer, BadRequest, HttpRequest, read_request

LOGGED = 500
LOGGED_BODY = 4 * 1024 * 1024


class Adapter(Protocol):
    """Speaks one protocol."""

    async def serve(self, request: HttpRequest, answer: Answer, note: dict[str, Any]) -> None:
        """Answer one request; write into `note` what the log shall show."""


class ModelServer:
    """Serves until it is closed."""

    def __init__(self, model: Model | None = None) -> None:
        model, prefixes = model or Model(), PrefixStore()
        self._routes: dict[str, Adapter] = {
            **dict.fromkeys(anthropic_messages.PATHS, Messages(model, prefixes)),
            **dict.fromkeys(chat_completions.PATHS, ChatCompletions(model, prefixes)),
            **dict.fromkeys(responses.PATHS, Responses(model, prefixes)),
            **dict.fromkeys(openai_responses.PATHS, OpenAiResponses(model, prefixes)),
        }
        self._generate = GenerateContent(model, prefixes)
        self._log: deque[dict[str, Any]] = deque(maxlen=LOGGED)
        self.asked = 0  #: how many requests there were

    def entries(self) -> list[dict[str, Any]]:
        """Return what it was asked, oldest first; what was sent is under `body`, as text."""
        return list(self._log)

    async def start(self, port: int = 0) -> asyncio.Server:
        """Listen on loopback; port 0: a free one."""
        return await asyncio.start_server(self._connection, "127.0.0.1", port, limit=HEAD_LIMIT)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                answer = Answer(writer)
                try:
                    request = await read_request(reader)
                    if request is None:
                        break
                    await self._answer(request, answer)
                except BadRequest as error:
                    wrong = {"type": "invalid_request_error", "message": str(error)}
                    await answer.send(400, {"type": "error", "error": wrong}, {"connection": "close"})
                    break
        writer.close()

    async def _answer(self, request: HttpRequest, answer: Answer) -> None:
        if request.path == "/log":
            if request.method == "DELETE":
                self._log.clear()
            bodies = request.query.get("bodies")
            await answer.send(200, [e if bodies else {k: v for k, v in e.items() if k != "body"} for e in self._log])
            return
        self.asked += 1
        note: dict[str, Any] = {"n": self.asked, "method": request.method, "path": request.path, "at": time.time()}
        if len(request.body) <= LOGGED_BODY:
            note["body"] = request.body.decode(errors="replace")
        note["headers"] = dict(request.headers)
        self._log.append(note)
        adapter = self._generate if GENERATE.fullmatch(request.path) else self._routes.get(request.path)
        if adapter and request.headers.get("upgrade"):  # Codex asks for a WebSocket first
            await answer.send(426, {"error": {"message": "there is no WebSocket here"}})
        elif request.method != "POST" or adapter is None:
            await answer.send(404, {"type": "error", "error": {"type": "not_found_error", "message": request.path}})
        else:
            try:
                await adapter.serve(request, answer, note)
            finally:
                note["status"] = answer.status
                note["seconds"] = round(time.time() - note["at"], 3)
        note["status"] = answer.status
