"""Asking a client: its human (MCP elicitation) and its directories (roots), in the two ways that the protocol's revisions have.

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

from llm_gateway_transport_mcp.roots import Roots, offered, uris

log = logging.getLogger(__name__)

Context = ServerRequestContext[Any, Any]

#: How long a person may take. A client that gives its calls less time cancels this one, and then nothing has happened.
ANSWER_WITHIN_S = 120.0
#: How many questions are remembered, and for how long, while clients fetch their answers.
_REMEMBERED = 256
_REMEMBERED_S = 900.0
_REPEATING = "2026-07-28"  # the first revision in which clients repeat a call with the answer
_KEY = "approve"
_ROOTS = "roots"
_FORM: types.ElicitRequestedSchema = {
    "type": "object",
    "properties": {_KEY: {"type": "boolean", "title": "Let it run", "description": "For this one request."}},
    "required": [_KEY],
}


class AnswerFirst(Exception):
    """This call must be repeated with the answer to a question, or with the client's roots."""

    def __init__(
        self,
        question: str | None,
        answers: Mapping[str, bool | None] | None = None,
        roots: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(question)
        self.question = question  #: to the human; None: the roots are asked for
        self.answers = answers or {}  #: to what was asked before it about the same call
        self.roots = roots  #: None: they were not asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    call: str  #: digest of tool and arguments
    question: str | None
    at: float
    answers: Mapping[str, bool | None] = field(default_factory=dict)
    roots: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The ways in which the client of one call can be asked; None: it has declared no such way."""

    human: Callable[[str], Awaitable[bool | None]] | None
    roots: Callable[[], Awaitable[tuple[str, ...]]] | None


class Questions:
    """Those that one server has put to its clients and that are not answered yet."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def of_call(self, ctx: Context, params: types.CallToolRequestParams, roots: Roots) -> Asking:
        """The ways to ask the client of this call.

        Raises MCPError for a state that we did not give, gave for another call, or have taken back already.
        """
        repeats = ctx.session.client_capabilities is not None and ctx.session.protocol_version >= _REPEATING
        can_human, can_roots = _has_human(ctx), offered(ctx)
        if not repeats:
            return Asking(human=_asking_now(ctx) if can_human else None, roots=roots.of(ctx) if can_roots else None)
        known = self._answered(params) if can_human or can_roots else AnswerFirst(None)
        return Asking(
            human=_asking_first(known) if can_human else None, roots=_roots_first(known) if can_roots else None
        )

    def put(self, waiting: AnswerFirst, params: types.CallToolRequestParams) -> types.InputRequiredResult:
        """Answer a call with what is asked."""
        state = secrets.token_urlsafe(24)
        while len(self._asked) >= _REMEMBERED:
            del self._asked[next(iter(self._asked))]
        self._asked[state] = _Asked(
            call=_digest(params),
            question=waiting.question,
            at=time.monotonic(),
            answers=waiting.answers,
            roots=waiting.roots,
        )
        if waiting.question is None:
            return types.InputRequiredResult(input_requests={_ROOTS: types.ListRootsRequest()}, request_state=state)
        form = types.ElicitRequestFormParams(message=waiting.question, requested_schema=_FORM)
        return types.InputRequiredResult(input_requests={_KEY: types.ElicitRequest(params=form)}, request_state=state)

    def _answered(self, params: types.CallToolRequestParams) -> AnswerFirst:
        """What is known of this call so far: the human's answers, and the roots. Its question is of no importance."""
        if params.request_state is None:
            return AnswerFirst(None)
        asked = self._asked.pop(params.request_state, None)
        if asked is None or asked.call != _digest(params):
            raise MCPError(types.INVALID_PARAMS, "This requestState is not for this call; repeat the call without it")
        if time.monotonic() - asked.at > _REMEMBERED_S:
            return AnswerFirst(None)
        given = params.input_responses or {}
        if asked.question is None:
            return AnswerFirst(None, asked.answers, uris(given.get(_ROOTS)))
        answer = given.get(_KEY)
        new = {asked.question: _meant(answer)} if isinstance(answer, types.ElicitResult) else {}
        return AnswerFirst(None, {**asked.answers, **new}, asked.roots)


def _has_human(ctx: Context) -> bool:
    capabilities = ctx.session.client_capabilities
    can = capabilities.elicitation if capabilities else None
    return can is not None and not (can.url is not None and can.form is None)  # neither is named: forms, as of old


def _roots_first(known: AnswerFirst) -> Callable[[], Awaitable[tuple[str, ...]]]:
    async def roots() -> tuple[str, ...]:
        if known.roots is None:
            raise AnswerFirst(None, known.answers)
        return known.roots

    return roots


def _asking_first(known: AnswerFirst) -> Callable[[str], Awaitable[bool | None]]:
    async def ask(question: str) -> bool | None:
        if question not in known.answers:
            raise AnswerFirst(question, known.answers, known.roots)
        return known.answers[question]

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
