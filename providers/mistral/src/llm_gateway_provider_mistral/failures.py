"""Vibe's failures, in the closed set of codes. The facts come from the export, else from stderr."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway import Failure, FinishedRun

INSTALL = "uv tool install mistral-vibe"
LOGIN = "vibe --setup"

_LOG_IN = f"Run `{LOGIN}` (or set MISTRAL_API_KEY for the gateway), then send the request again."
_LATER = "Try again in a moment; if it persists, check the service's status and `providers` in Vibe's config.toml."
_RESET = "Wait until the limit is reset, or use another provider."
_LIMIT = "Raise the limit, or continue the conversation with sessionId: it is kept."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A failure that we know: the first rule whose test holds names it."""

    code: str
    message: str
    recovery: str | None = None
    holds: Callable[[Mapping[str, Any]], Any]


def _outcome(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda facts: facts.get("outcome") in names


def _code(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda facts: facts.get("code") in names


def _said(pattern: str) -> Callable[[Mapping[str, Any]], Any]:
    found = re.compile(pattern, re.IGNORECASE).search
    return lambda facts: found(f"{facts.get('message', '')}\n{facts['stderr']}")


RULES = (
    Rule(
        code="bad_model",
        message="Mistral Vibe knows no model of this alias and let its default answer instead.",
        recovery="Leave model out, or name an alias of `list_models`; what the default did is done.",
        holds=lambda facts: facts.get("wrong_model"),
    ),
    Rule(
        code="session_not_found",
        message="Mistral Vibe does not know this conversation.",
        recovery="Leave sessionId out, or pass createNewSession: true, to start a new conversation.",
        holds=_said(r"session not found"),
    ),
    Rule(
        code="session_busy",
        message="This conversation is open in another Mistral Vibe.",
        recovery="Close it there, or wait until it has ended.",
        holds=_said(r"session is already open"),
    ),
    Rule(
        code="session_not_resumable",
        message="Mistral Vibe keeps no conversations: its session logging is off.",
        recovery="Take VIBE_SESSION_LOGGING__ENABLED out of [providers.mistral] env.",
        holds=_said(r"session logging is disabled"),
    ),
    Rule(
        code="auth_required",
        message="The model service does not accept Mistral Vibe's key, or there is none.",
        recovery=_LOG_IN,
        holds=lambda facts: (
            _code("invalid_api_key")(facts)
            or _said(r"missing \S+ environment variable|invalid api key|status 40[13]\b|system keyring")(facts)
        ),
    ),
    Rule(
        code="quota_exhausted",
        message="The account's rate limit is reached.",
        recovery=_RESET,
        holds=lambda facts: _code("rate_limit")(facts) or _said(r"status 429\b")(facts),
    ),
    Rule(
        code="bad_model",
        message="The model service does not know this model.",
        recovery="Leave model out: Mistral Vibe's own default is used.",
        holds=_said(r"status 404\b|invalid_model"),
    ),
    Rule(
        code="input_too_large",
        message="The conversation does not fit into the model's context.",
        recovery="Start a new conversation, or name files instead of pasting them.",
        holds=lambda facts: _code("compaction_replacement_too_large")(facts) or _said(r"status 413\b")(facts),
    ),
    Rule(
        code="overloaded",
        message="The model service is overloaded or failed.",
        recovery=_LATER,
        holds=_said(r"status 5\d\d\b"),
    ),
    Rule(
        code="overloaded",
        message="The model service could not be reached, or the connection broke.",
        recovery=_LATER,
        holds=_said(r"connection attempts failed|ended without a finish reason|timed out|connection|incomplete"),
    ),
    Rule(
        code="provider_failed",
        message="Mistral Vibe stopped at maxTurns.",
        recovery=_LIMIT,
        holds=_outcome("turn_limit"),
    ),
    Rule(
        code="provider_failed",
        message="Mistral Vibe stopped at maxBudgetUsd.",
        recovery=_LIMIT,
        holds=_outcome("price_limit"),
    ),
    Rule(
        code="provider_failed",
        message="The model service refused this request as unsafe.",
        recovery="Word the request differently, or use another model.",
        holds=lambda facts: _outcome("refusal")(facts) or _said(r"content_filter|refus")(facts),
    ),
    Rule(
        code="invalid_request",
        message="Mistral Vibe could not attach what the prompt mentions with an @.",
        recovery="Write fewer paths with an @ in the prompt; it attaches at most eight files.",
        holds=_said(r"too many (file mentions|image attachments)|failed to attach"),
    ),
    Rule(
        code="interrupted",
        message="Mistral Vibe was interrupted before it ended; what it wrote was kept.",
        recovery="Look at the partial output, then send the request again with forceRefresh: true.",
        holds=lambda facts: _outcome("terminated", "deadline")(facts) or facts.get("killed"),
    ),
    Rule(
        code="provider_failed",
        message="Mistral Vibe's configuration cannot be read.",
        recovery="Mend the config.toml of VIBE_HOME (by default ~/.vibe).",
        holds=_said(r"cannot load the vibe config"),
    ),
    Rule(
        code="version_unsupported",
        message="This version of Mistral Vibe does not know a flag or an agent that the gateway needs.",
        recovery=f"Bring a version that is known to work: {INSTALL}",
        holds=_said(r"unexpected argument|agent '[^']*' not found|unrecognized arguments|invalid value"),
    ),
    Rule(
        code="output_unreadable",
        message="Mistral Vibe ended without an answer that can be read.",
        holds=lambda facts: facts.get("exit_code") == 0,
    ),
    Rule(
        code="provider_failed",
        message="Mistral Vibe failed.",
        holds=lambda facts: facts.get("message"),
    ),
)


def explain(run: FinishedRun) -> Failure | None:
    """Name the cause. None: nothing is known beyond stderr's last words."""
    end = run.end
    known = dict(run.summary.failure)
    facts = {
        **known,
        # With the export's own words, stderr is only noise.
        "stderr": "" if known.get("message") else run.stderr_tail,
        "exit_code": end.exit_code,
        "killed": end.signal is not None or end.exit_code in (130, 137, 143),
    }
    rule = next((rule for rule in RULES if rule.holds(facts)), None)
    if rule is None:
        return None
    words = facts.get("wrong_model") or facts.get("message") or facts["stderr"].strip()[-500:] or None
    return Failure(code=rule.code, message=rule.message, recovery=rule.recovery, provider_message=words)
