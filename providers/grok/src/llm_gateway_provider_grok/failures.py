"""Grok's failures, in the closed set of codes. The facts come from the last line, else from stderr."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway import Failure, FinishedRun

INSTALL = "npm install -g @xai-official/grok@1.0.41"
LOGIN = "grok login --device-code"

_LOG_IN = f"Run `{LOGIN}` (or set XAI_API_KEY for the gateway), then send the request again."
_LATER = "Try again in a moment; if it persists, check the service's status and GROK_XAI_API_BASE_URL."
_KEPT = "Raise the limit, or continue the conversation with sessionId: it is kept."


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A failure that we know: the first whose test holds names it."""

    code: str
    message: str
    recovery: str | None = None
    holds: Callable[[Mapping[str, Any]], Any]


def _stopped(*reasons: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda facts: facts.get("stop_reason") in reasons


def _said(pattern: str) -> Callable[[Mapping[str, Any]], Any]:
    found = re.compile(pattern, re.IGNORECASE).search
    return lambda facts: found(facts.get("message") or facts.get("stderr") or "")


KNOWN = (
    Known(
        code="provider_failed",
        message="Grok stopped at maxTurns.",
        recovery=_KEPT,
        holds=lambda facts: facts.get("capped") or _said(r"^error: max turns reached")(facts),
    ),
    Known(
        code="tool_denied",
        message="Grok ended the turn because a tool call needed a human's approval, and nobody is there to give it.",
        recovery="Ask for a higher posture, allow the tool with allowedTools, or ask for read_only, where the model is told.",
        holds=_stopped("cancelled"),
    ),
    Known(
        code="provider_failed",
        message="The model service refused this request as unsafe.",
        recovery="Word the request differently, or use another model.",
        holds=_stopped("refusal"),
    ),
    Known(
        code="provider_failed",
        message="The answer was longer than the model may write at once.",
        recovery="Ask for less at once, or for files instead of one long answer.",
        holds=lambda facts: (
            _stopped("max_tokens")(facts) or _said(r"max_tokens_truncation|truncated by max_tokens")(facts)
        ),
    ),
    Known(
        code="session_not_found",
        message="Grok does not know this conversation.",
        recovery="Leave sessionId out, or pass createNewSession: true, to start a new conversation.",
        holds=_said(r"for session restore|not found locally|no session found|must be a valid uuid"),
    ),
    Known(
        code="session_not_resumable",
        message="Grok already has a conversation under the id of this one.",
        recovery="Send the request again with forceRefresh: true.",
        holds=_said(r"session id \S+ is already in use"),
    ),
    Known(
        code="session_not_resumable",
        message="A conversation keeps the sandbox that it was begun with.",
        recovery="Pass the same sandbox as in its first turn, or createNewSession: true.",
        holds=_said(r"cannot resume this session under sandbox"),
    ),
    Known(
        code="auth_required",
        message="Grok is not logged in.",
        recovery=_LOG_IN,
        holds=_said(r"not signed in|not authenticated"),
    ),
    Known(
        code="quota_exhausted",
        message="The account's credit is used up.",
        recovery="Add credit to the account, or use another provider.",
        holds=_said(r"used all available credits|monthly spending limit"),
    ),
    Known(
        code="quota_exhausted",
        message="The account's rate limit is reached.",
        recovery="Wait until the limit is reset, or use another provider.",
        holds=_said(r"rate_limit|too many requests|status 429"),  # the message bears no number of its own
    ),
    Known(
        code="auth_required",
        message="The model service does not accept Grok's login.",
        recovery=_LOG_IN,
        holds=_said(r"unauthorized \(401\)|status 40[13]\b"),
    ),
    Known(
        code="bad_model",
        message="Grok does not know this model, or this account may not use it.",
        recovery="Leave model out: Grok's own default is used. `grok models` lists what there is.",
        holds=_said(r"couldn't set model|unknown model id|status 404\b"),
    ),
    Known(
        code="input_too_large",
        message="The conversation does not fit into the model's context.",
        recovery="Start a new conversation, or name files instead of pasting them.",
        holds=_said(r"context_length_exceeded|maximum prompt length|status 413\b"),
    ),
    Known(
        code="empty_output",
        message="The model answered without a word.",
        recovery="Send the request again, or word it differently.",
        holds=_said(r"no_visible_content"),
    ),
    Known(
        code="overloaded",
        message="The model service failed, or is overloaded.",
        recovery=_LATER,
        holds=_said(r"status 5\d\d\b"),
    ),
    Known(
        code="overloaded",
        message="The model service could not be reached, or the connection broke.",
        recovery=_LATER,
        holds=_said(r"reqwest error|error sending request|connection (refused|reset)"),
    ),
    Known(
        code="invalid_request",
        message="This model does not know the effort.",
        recovery="Pass one of the levels that the provider's message names, or leave effort out.",
        holds=_said(r"unknown effort level"),
    ),
    Known(
        code="invalid_request",
        message="Grok does not take this outputSchema.",
        recovery="Pass a JSON Schema of an object.",
        holds=_said(r"--json-schema:"),
    ),
    Known(
        code="provider_failed",
        message="The sandbox cannot be set up on this machine, and Grok does not run without it.",
        recovery="Install bubblewrap, or leave the parameter sandbox out.",
        holds=_said(r"sandbox could not enforce|sandbox profile resolve failed"),
    ),
    Known(
        code="provider_failed",
        message="Grok cannot use its own folder.",
        recovery="Make GROK_HOME (~/.grok) a folder that the gateway's user may write to.",
        holds=_said(r"FS_NOT_FOUND|couldn't create session"),
    ),
    Known(
        code="version_unsupported",
        message="This version of Grok does not know a flag that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        holds=_said(r"^error: (unexpected argument|invalid value)"),
    ),
    Known(
        code="interrupted",
        message="Grok was interrupted before it ended; what it wrote was kept.",
        recovery="Look at the partial output, then send the request again with forceRefresh: true.",
        holds=lambda facts: facts.get("killed"),
    ),
    Known(
        code="output_unreadable",
        message="Grok ended without a result.",
        holds=lambda facts: facts.get("exit_code") == 0,
    ),
    Known(code="provider_failed", message="Grok failed.", holds=lambda facts: facts.get("message")),
)


def explain(run: FinishedRun) -> Failure | None:
    """Name the cause. None: nothing is known beyond stderr's last words."""
    end = run.end
    told = run.summary.failure.get("ended") or run.summary.failure.get("message")
    facts = {
        **run.summary.failure,
        "stderr": "" if told else run.stderr_tail,  # with a last line, stderr only repeats it
        "exit_code": end.exit_code,
        "killed": end.signal is not None or end.exit_code in (129, 130, 137, 143),
    }
    known = next((known for known in KNOWN if known.holds(facts)), None)
    if known is None:
        return None
    words = facts.get("message") or run.stderr_tail.strip()[-500:] or None
    return Failure(code=known.code, message=known.message, recovery=known.recovery, provider_message=words)
