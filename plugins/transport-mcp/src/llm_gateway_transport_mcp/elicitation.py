"""Asks a client's user a question (MCP elicitation) and the client for its directories (roots), in both eras of the protocol.

Until 2025-11-25 the server sends the client a request while the call waits. Since 2026-07-28 servers send no requests: the call is
answered with the question, and the client repeats the call with the user's answer. Questions come before anything is stored or
started, so a repeated call runs once. The state that the client sends back is a random key to the question and the earlier
answers, which are kept here. It is valid for one repetition of one call, and contains no information.
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

#: How long the user may take. A client with a shorter limit for its calls cancels the call; nothing was started then.
ANSWER_WITHIN_S = 120.0
#: How many questions are kept, and for how long, while clients collect the answers.
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
    """The call must be repeated with the answer to a question, or with the client's roots."""

    def __init__(
        self,
        question: str | None,
        answers: Mapping[str, bool | None] | None = None,
        roots: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(question)
        self.question = question  #: for the user; None: the roots are requested
        self.answers = answers or {}  #: to earlier questions about the same call
        self.roots = roots  #: None: they were not requested yet


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    call: str  #: digest of tool and arguments
    question: str | None
    at: float
    answers: Mapping[str, bool | None] = field(default_factory=dict)
    roots: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """How the client of one call can be asked; None: it has not declared that it can."""

    human: Callable[[str], Awaitable[bool | None]] | None
    roots: Callable[[], Awaitable[tuple[str, ...]]] | None


class Elicitation:
    """The questions of one server that are not answered yet."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def channels(self, ctx: Context, params: types.CallToolRequestParams, roots: Roots) -> Channels:
        """Return how the client of this call can be asked.

        Raises MCPError for a request state that is not ours, belongs to another call, or was used already.
        """
        repeats = ctx.session.client_capabilities is not None and ctx.session.protocol_version >= _REPEATING
        can_human, can_roots = _has_human(ctx), offered(ctx)
        if not repeats:
            return Channels(human=_ask_now(ctx) if can_human else None, roots=roots.of(ctx) if can_roots else None)
        known = self._answered(params) if can_human or can_roots else AnswerFirst(None)
        return Channels(
            human=_ask_first(known) if can_human else None, roots=_roots_first(known) if can_roots else None
        )

    def request_input(self, waiting: AnswerFirst, params: types.CallToolRequestParams) -> types.InputRequiredResult:
        """Answer a call with the question, or with the request for the roots."""
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
        """Return what is known about this call so far: the user's answers and the roots. The question of the result is not used."""
        if params.request_state is None:
            return AnswerFirst(None)
        pending = self._asked.pop(params.request_state, None)
        if pending is None or pending.call != _digest(params):
            raise MCPError(types.INVALID_PARAMS, "This requestState is not for this call; repeat the call without it")
        if time.monotonic() - pending.at > _REMEMBERED_S:
            return AnswerFirst(None)
        given = params.input_responses or {}
        if pending.question is None:
            return AnswerFirst(None, pending.answers, uris(given.get(_ROOTS)))
        answer = given.get(_KEY)
        new = {pending.question: _decision(answer)} if isinstance(answer, types.ElicitResult) else {}
        return AnswerFirst(None, {**pending.answers, **new}, pending.roots)


def _has_human(ctx: Context) -> bool:
    capabilities = ctx.session.client_capabilities
    can = capabilities.elicitation if capabilities else None
    return can is not None and not (
        can.url is not None and can.form is None
    )  # neither is named: forms, as in earlier revisions


def _roots_first(known: AnswerFirst) -> Callable[[], Awaitable[tuple[str, ...]]]:
    async def roots() -> tuple[str, ...]:
        if known.roots is None:
            raise AnswerFirst(None, known.answers)
        return known.roots

    return roots


def _ask_first(known: AnswerFirst) -> Callable[[str], Awaitable[bool | None]]:
    async def ask(question: str) -> bool | None:
        if question not in known.answers:
            raise AnswerFirst(question, known.answers, known.roots)
        return known.answers[question]

    return ask


def _ask_now(ctx: Context) -> Callable[[str], Awaitable[bool | None]]:
    async def ask(question: str) -> bool | None:
        with anyio.move_on_after(ANSWER_WITHIN_S):
            try:
                return _decision(await ctx.session.elicit_form(question, _FORM, related_request_id=ctx.request_id))
            except (MCPError, ValidationError) as error:
                log.warning("the client could not ask its user: %s", error)
        return None

    return ask


def _decision(answer: types.ElicitResult) -> bool | None:
    """True for yes, False for no, None for no answer: a user who closes the question has decided nothing."""
    if answer.action == "accept":
        return (answer.content or {}).get(_KEY) is True
    return False if answer.action == "decline" else None


def _digest(params: types.CallToolRequestParams) -> str:
    call: Mapping[str, Any] = {"name": params.name, "arguments": params.arguments or {}}
    return hashlib.sha256(json.dumps(call, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()
