"""Codex's failures, in the closed set of codes. The facts come from `turn.failed`; without an end, from standard error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from llm_gateway import Failure, FinishedRun

INSTALL = "npm install -g @openai/codex@0.169.0"
LOGIN = "codex login"

_LOG_IN = f"Run `{LOGIN}` (or set CODEX_API_KEY for the gateway), then send the request again."
_LATER = "Try again in a moment; if it persists, check the service's status."
_RESET = "Wait until the limit is reset, or use another provider."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A failure that we know: the first rule whose test holds names it."""

    code: str
    message: str
    recovery: str | None = None
    holds: Callable[[Mapping[str, Any]], Any]


def _said(pattern: str) -> Callable[[Mapping[str, Any]], Any]:
    found = re.compile(pattern, re.IGNORECASE).search
    return lambda facts: found(facts["words"])


RULES = (
    Rule(
        code="provider_failed",
        message="Codex runs commands in a sandbox, and none works on this machine: it could run nothing.",
        recovery="Allow unprivileged user namespaces (a container needs them granted), or ask for the posture bypass.",
        holds=lambda facts: facts.get("sandbox"),
    ),
    Rule(
        code="session_not_found",
        message="Codex does not know this conversation.",
        recovery="Leave sessionId out, or pass createNewSession: true, to start a new conversation.",
        holds=_said(r"no rollout found for thread id|session not found"),
    ),
    Rule(
        code="session_busy",
        message="Another Codex is writing to this conversation.",
        recovery="Wait until it has ended, then send the request again.",
        holds=_said(r"already has an active writer"),
    ),
    Rule(
        code="session_not_resumable",
        message="This conversation was archived.",
        recovery="Run `codex unarchive` with its id, or pass createNewSession: true.",
        holds=_said(r"session \S+ is archived"),
    ),
    Rule(
        code="quota_exhausted",
        message="The account's credit is used up.",
        recovery="Add credit to the account, or use another provider.",
        holds=_said(r"quota exceeded|insufficient_quota"),
    ),
    Rule(
        code="quota_exhausted",
        message="The account's usage limit is reached.",
        recovery=_RESET,
        holds=_said(r"hit your usage limit"),
    ),
    Rule(
        code="quota_exhausted",
        message="The account's rate limit is reached.",
        recovery=_RESET,
        holds=_said(r"429 too many requests|rate limit exceeded"),
    ),
    Rule(
        code="auth_required",
        message="The model service does not accept Codex's login.",
        recovery=_LOG_IN,
        holds=_said(r"status 40[13]|missing environment variable|not logged in|token (has )?expired|log in again"),
    ),
    Rule(
        code="overloaded",
        message="The model is at capacity.",
        recovery="Try again in a moment, or name another model.",
        holds=_said(r"model is at capacity"),
    ),
    Rule(
        code="overloaded",
        message="The model service failed, or is overloaded.",
        recovery=_LATER,
        holds=_said(r"high demand|status 5\d\d|internal server error"),
    ),
    Rule(
        code="input_too_large",
        message="The conversation does not fit into the model's context.",
        recovery="Start a new conversation, or name files instead of pasting them.",
        holds=_said(r"ran out of room in the model's context|context_length_exceeded|input_too_large"),
    ),
    Rule(
        code="invalid_request",
        message="The model service does not take this outputSchema.",
        recovery="Each object of it needs additionalProperties: false, and all of its properties in required.",
        holds=_said(r"invalid schema for response_format|invalid_json_schema"),
    ),
    Rule(
        code="provider_failed",
        message="The answer was longer than the model may write at once.",
        recovery="Ask for less at once, or for files instead of one long answer.",
        holds=_said(r"reason: max_output_tokens"),
    ),
    Rule(
        code="provider_failed",
        message="The model service refused this request as unsafe.",
        recovery="Word the request differently, or use another model.",
        holds=_said(r"reason: content_filter"),
    ),
    Rule(
        code="bad_model",
        message="The model does not exist, or this account may not use it.",
        recovery="Leave model out: Codex's own default is used.",
        holds=lambda facts: (
            _said(r"model \S+ does not exist|model_not_found|model is not supported|no models are available")(facts)
            # The catalogue does not have it either, and the service found fault with the request.
            or ("Model metadata for" in facts.get("warnings", "") and facts.get("message"))
        ),
    ),
    Rule(
        code="provider_failed",
        message="The model service was not found under its address.",
        recovery="Check what [providers.codex] config or Codex's own config.toml say about the service.",
        holds=_said(r"status 404"),
    ),
    Rule(
        code="overloaded",
        message="The model service could not be reached, or the connection broke.",
        recovery=_LATER,
        holds=_said(r"connection failed|stream disconnected|idle timeout waiting|error sending request"),
    ),
    Rule(
        code="provider_failed",
        message="An MCP server that was given to the run did not start.",
        recovery="Repair it, or leave it out of mcpServers ([]: none, not even the default).",
        holds=_said(r"required mcp servers failed"),
    ),
    Rule(
        code="not_installed",
        message="Codex's program is incomplete: npm left out its optional packages.",
        recovery=f"Install it with them: {INSTALL}",
        holds=_said(r"missing optional dependency"),
    ),
    Rule(
        code="provider_failed",
        message="Codex cannot use its own folder or its settings.",
        recovery="Check CODEX_HOME, its config.toml and [providers.codex] config.",
        holds=_said(r"error finding codex home|error loading config|error parsing -c|model provider \S+ not found"),
    ),
    Rule(
        code="version_unsupported",
        message="This version of Codex does not know a flag or a feature that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        holds=_said(r"error: unexpected argument|error: unrecognized|unknown feature flag|error: invalid value"),
    ),
    Rule(
        code="interrupted",
        message="Codex was interrupted before it ended; what it wrote was kept.",
        recovery="Look at the partial output, then send the request again with forceRefresh: true.",
        holds=lambda facts: facts.get("killed"),
    ),
    Rule(
        code="output_unreadable",
        message="Codex ended without saying how its turn went.",
        holds=lambda facts: not facts.get("ended") and facts.get("exit_code") == 0,
    ),
    Rule(code="provider_failed", message="Codex failed.", holds=lambda facts: facts.get("message")),
)
_NOISE = "Reading additional input from stdin...\n"
_RESET_AT = re.compile(r"try again at (?:(\w{3} \d{1,2})(?:st|nd|rd|th), (\d{4}) )?(\d{1,2}:\d\d [AP]M)", re.IGNORECASE)


def explain(run: FinishedRun) -> Failure | None:
    """Name the cause. None: nothing is known beyond stderr's last words."""
    told, end = run.summary.failure, run.end
    message = _plain(str(told.get("message") or ""))
    # Once a turn has ended, standard error is only noise.
    words = message if told.get("ended") else run.stderr_tail.replace(_NOISE, "")
    # SIGINT is answered with exit code 1 and no word.
    silent = end.exit_code == 1 and bool(told.get("turns")) and not told.get("ended")
    killed = end.signal is not None or end.exit_code in (129, 130, 137, 143) or silent
    facts = {**told, "words": words, "exit_code": end.exit_code, "killed": killed}
    rule = next((rule for rule in RULES if rule.holds(facts)), None)
    if rule is None:
        return None
    return Failure(
        code=rule.code,
        message=rule.message,
        recovery=rule.recovery,
        provider_message=str(told.get("sandbox") or message or _last_error(words)) or None,
        reset_at=_reset_at(message, end.ended_at),
    )


def _last_error(stderr: str) -> str:
    """The line that names the error, before a usage or after a log."""
    lines = [line.strip() for line in stderr.splitlines() if line.lower().startswith("error")]
    return lines[-1][:500] if lines else stderr.strip()[-500:]


def _plain(message: str) -> str:
    """An error's own message, where Codex hands on the service's whole body."""
    try:
        error = json.loads(message)["error"]
        code = f" ({error['code']})" if error.get("code") else ""
        return f"{error['message']}{code}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return message


def _reset_at(message: str, now: datetime) -> datetime | None:
    """Codex tells a local time of day, and the date where it is another."""
    match = _RESET_AT.search(message)
    if match is None:
        return None
    here = now.astimezone()
    day, year, time = match.groups()
    try:
        if day:
            naive = datetime.strptime(f"{day} {year} {time.upper()}", "%b %d %Y %I:%M %p")
            return naive.astimezone().astimezone(now.tzinfo)
        clock = datetime.strptime(time.upper(), "%I:%M %p").time()
    except ValueError:
        return None
    then = here.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
    return (then if then > here else then + timedelta(days=1)).astimezone(now.tzinfo)
