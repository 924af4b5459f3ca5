"""Asking the human behind a client (MCP elicitation), in the two ways that the protocol's revisions have.

Until 2025-11-25 the server sends the client a request while the call waits. Since 2026-07-28 servers send none: the call is
answered with what is asked, and the client repeats it with the human's answer. What is asked, is asked before anything was
stored or started, so that a repeated call runs once. The state that the client carries back is only a number under which we
remember the question and what was answered before it: it is good for one repetition of one call, and shows nothing to the client.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp import MCPError, types
from mcp.server.context import ServerRequestContext
from pydantic import ValidationError

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]

#: How long a person may take. A client that gives its calls less time cancels this one, and then nothing has happened.
ANSWER_WITHIN_S = 120.0
#: How many questions are remembered, and for how long, while clients fetch their answers.
_REMEMBERED = 256
_REMEMBERED_S = 900.0
_REPEATING = "2026-07-28"  # the first revision in which clients repeat a call with the answer
_KEY = "approve"
_FORM: types.ElicitRequestedSchema = {
    "type": "object",
    "properties": {_KEY: {"type": "boolean", "title": "Let it run", "description": "For this one request."}},
    "required": [_KEY],
}


class AnswerFirst(Exception):
    """This call must be repeated with the answer to a question."""

    def __init__(self, question: str, answers: Mapping[str, bool | None] | None = None) -> None:
        super().__init__(question)
        self.question = question
        self.answers = answers or {}  #: to what was asked before it about the same call


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    call: str  #: digest of tool and arguments
    question: str
    at: float
    answers: Mapping[str, bool | None] = field(default_factory=dict)


class Questions:
    """Those that one server has put to its clients and that are not answered yet."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def asker(
        self, ctx: Context, params: types.CallToolRequestParams
    ) -> Callable[[str], Awaitable[bool | None]] | None:
        """A way to ask the human behind this call; None if the client declared none.

        Raises MCPError for a state that we did not give, gave for another call, or have taken back already.
        """
        capabilities = ctx.session.client_capabilities
        can = capabilities.elicitation if capabilities else None
        if can is None or (can.url is not None and can.form is None):  # neither is named: forms, as of old
            return None
        if ctx.session.protocol_version >= _REPEATING:
            return _asking_first(self._answered(params))
        return _asking_now(ctx)

    def put(self, waiting: AnswerFirst, params: types.CallToolRequestParams) -> types.InputRequiredResult:
        """Answer a call with a question."""
        state = secrets.token_urlsafe(24)
        while len(self._asked) >= _REMEMBERED:
            del self._asked[next(iter(self._asked))]
        self._asked[state] = _Asked(
            call=_digest(params), question=waiting.question, at=time.monotonic(), answers=waiting.answers
        )
        form = types.ElicitRequestFormParams(message=waiting.question, requested_schema=_FORM)
        return types.InputRequiredResult(input_requests={_KEY: types.ElicitRequest(params=form)}, request_state=state)

    def _answered(self, params: types.CallToolRequestParams) -> Mapping[str, bool | None]:
        """What the human has said about this call so far: question -> answer."""
        if params.request_state is None:
            return {}
        asked = self._asked.pop(params.request_state, None)
        if asked is None or asked.call != _digest(params):
            raise MCPError(types.INVALID_PARAMS, "This requestState is not for this call; repeat the call without it")
        if time.monotonic() - asked.at > _REMEMBERED_S:
            return {}
        answer = (params.input_responses or {}).get(_KEY)
        new = {asked.question: _meant(answer)} if isinstance(answer, types.ElicitResult) else {}
        return {**asked.answers, **new}


def _asking_first(answers: Mapping[str, bool | None]) -> Callable[[str], Awaitable[bool | None]]:
    async def ask(question: str) -> bool | None:
        if question not in answers:
            raise AnswerFirst(question, answers)
        return answers[question]

    return ask


def _asking_now(ctx: Context) -> Callable[[str], Awaitable[bool | None]]:
    async def ask(question: str) -> bool | None:
        with anyio.move_on_after(ANSWER_WITHIN_S):
            try:
                return _meant(await ctx.session.elicit_form(question, _FORM, related_request_id=ctx.request_id))
            except (MCPError, ValidationError) as error:
                log.warning("the client could not ask its human: %s", error)
        return None

    return ask


def _meant(answer: types.ElicitResult) -> bool | None:
    """Yes, no, or no answer: closing the question decides nothing."""
    if answer.action == "accept":
        return (answer.content or {}).get(_KEY) is True
    return False if answer.action == "decline" else None


def _digest(params: types.CallToolRequestParams) -> str:
    call: Mapping[str, Any] = {"name": params.name, "arguments": params.arguments or {}}
    return hashlib.sha256(json.dumps(call, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()
