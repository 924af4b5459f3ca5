"""Claude Code's failures, in the closed set of codes. The facts come from the last result, else from stderr."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway import Failure, FinishedRun

INSTALL = "npm install -g @anthropic-ai/claude-code@2.1.330"
LOGIN = "claude auth login"

_LOG_IN = f"Run `{LOGIN}` (or set ANTHROPIC_API_KEY for the gateway), then send the request again."
_LATER = "Try again in a moment; if it persists, check the service's status and ANTHROPIC_BASE_URL."
_RESET = "Wait until the limit is reset, or use another provider."
_LIMIT = "Raise the limit, or continue the conversation with sessionId: it is kept."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A failure that we know: the first rule whose test holds names it."""

    code: str
    message: str
    recovery: str | None = None
    holds: Callable[[Mapping[str, Any]], Any]


def _status(*codes: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda facts: facts.get("api_error_status") in codes


def _category(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda facts: facts.get("category") in names or facts.get("api_error") in names


def _reason(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda facts: facts.get("terminal_reason") in names or facts.get("subtype") in names


def _said(pattern: str) -> Callable[[Mapping[str, Any]], Any]:
    found = re.compile(pattern, re.IGNORECASE).search
    return lambda facts: found(f"{facts.get('message', '')}\n{facts.get('stderr', '')}")


RULES = (
    Rule(
        code="session_not_found",
        message="Claude Code does not know this conversation.",
        recovery="Leave sessionId out, or pass createNewSession: true, to start a new conversation.",
        holds=_said(r"no conversation found|does not match any session|invalid session id"),
    ),
    Rule(
        code="session_not_resumable",
        message="Claude Code already has a conversation under the id of this one.",
        recovery="Send the request again with forceRefresh: true.",
        holds=_said(r"session id \S+ is already in use"),
    ),
    Rule(
        code="quota_exhausted",
        message="The account's credit is used up.",
        recovery="Add credit to the account, or use another provider.",
        holds=lambda facts: _category("billing_error")(facts) or _said(r"credit balance is too low")(facts),
    ),
    Rule(
        code="quota_exhausted",
        message="The account's rate limit is reached.",
        recovery=_RESET,
        holds=lambda facts: _status(429)(facts) or _category("rate_limit")(facts),
    ),
    Rule(code="overloaded", message="The model service is overloaded.", recovery=_LATER, holds=_status(529)),
    Rule(
        code="auth_required",
        message="The model service does not accept Claude Code's login.",
        recovery=_LOG_IN,
        holds=lambda facts: (
            _status(401, 403)(facts)
            or _category("authentication_failed")(facts)
            or _said(r"not logged in|please run /login")(facts)
        ),
    ),
    Rule(
        code="bad_model",
        message="The model does not exist, or this account may not use it.",
        recovery="Leave model out: Claude Code's own default is used.",
        holds=lambda facts: _status(404)(facts) or _category("model_not_found")(facts),
    ),
    Rule(
        code="input_too_large",
        message="The conversation does not fit into the model's context.",
        recovery="Start a new conversation, or name files instead of pasting them.",
        holds=lambda facts: (
            _reason("prompt_too_long")(facts) or _said(r"prompt is too long|stdin input exceeds")(facts)
        ),
    ),
    Rule(
        code="provider_failed",
        message="Claude Code stopped at maxTurns.",
        recovery=_LIMIT,
        holds=_reason("max_turns", "error_max_turns"),
    ),
    Rule(
        code="provider_failed",
        message="Claude Code stopped at maxBudgetUsd.",
        recovery=_LIMIT,
        holds=_reason("budget_exhausted", "error_max_budget_usd"),
    ),
    Rule(
        code="interrupted",
        message="Claude Code was interrupted before it ended; what it wrote was kept.",
        recovery="Look at the partial output, then send the request again with forceRefresh: true.",
        holds=lambda facts: _reason("aborted_streaming", "aborted_tools")(facts) or facts.get("killed"),
    ),
    Rule(
        code="provider_failed",
        message="The answer was longer than the model may write at once.",
        recovery="Ask for less at once, or for files instead of one long answer.",
        holds=_category("max_output_tokens"),
    ),
    Rule(
        code="provider_failed",
        message="The model service refused this request as unsafe.",
        recovery="Word the request differently, or use another model.",
        holds=lambda facts: facts.get("stop_reason") == "refusal" or _said(r"safeguards flagged")(facts),
    ),
    Rule(
        code="overloaded",
        message="The model service could not be reached, or the connection broke.",
        recovery=_LATER,
        holds=lambda facts: _category("connection_failed")(facts) or _said(r"connection (refused|dropped)")(facts),
    ),
    Rule(
        code="overloaded",
        message="The model service did not answer in time.",
        recovery=_LATER,
        holds=_said(r"request timed out"),
    ),
    Rule(
        code="overloaded",
        message="The model service failed.",
        recovery=_LATER,
        holds=lambda facts: (
            _status(*range(500, 600))(facts)
            or _category("server_error", "overloaded")(facts)
            or _said(r"server error mid-response")(facts)
        ),
    ),
    Rule(
        code="tool_denied",
        message="Claude Code ended because a tool call could not be approved.",
        recovery="Ask for a higher posture, or allow the tool with allowedTools.",
        holds=_said(r"auto mode could not check"),
    ),
    Rule(
        code="provider_failed",
        message="The posture workspace_write needs a sandbox, and this machine has none that works.",
        recovery="Install bubblewrap and socat, or ask for the posture accept_edits.",
        holds=_said(r"sandbox required but unavailable"),
    ),
    Rule(
        code="provider_failed",
        message="Claude Code refuses the posture bypass to root.",
        recovery="Run the gateway as another user, or ask for a lower posture.",
        holds=_said(r"cannot be used with root"),
    ),
    Rule(
        code="not_installed",
        message="Claude Code's program is incomplete: npm's install scripts were switched off.",
        recovery=f"Install it with scripts: {INSTALL}",
        holds=_said(r"native binary not installed"),
    ),
    Rule(
        code="version_unsupported",
        message="This version of Claude Code does not know a flag that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        holds=_said(r"error: unknown option"),
    ),
    Rule(
        code="output_unreadable",
        message="Claude Code ended without a result.",
        holds=lambda facts: facts.get("results") == 0 and facts.get("exit_code") == 0,
    ),
    Rule(
        code="provider_failed",
        message="Claude Code failed.",
        holds=lambda facts: facts.get("message"),
    ),
)


def explain(run: FinishedRun) -> Failure | None:
    """Name the cause. None: nothing is known beyond stderr's last words."""
    end = run.end
    facts = {
        **run.summary.failure,
        # With a result, stderr is only noise.
        "stderr": "" if run.summary.failure.get("results") else run.stderr_tail,
        "exit_code": end.exit_code,
        "killed": end.signal is not None or end.exit_code in (129, 130, 137, 143),
    }
    rule = next((rule for rule in RULES if rule.holds(facts)), None)
    if rule is None:
        return None
    words = facts.get("message") or facts["stderr"].strip()[-500:] or None
    return Failure(code=rule.code, message=rule.message, recovery=rule.recovery, provider_message=words)
