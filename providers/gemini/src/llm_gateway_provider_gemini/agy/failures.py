"""Antigravity's own failures, as they are reported. What services and networks say is in the provider kit's shared rules."""

from __future__ import annotations

import re
from dataclasses import replace

from llm_gateway import Failure, FinishedRun
from llm_gateway_provider_kit import failures
from llm_gateway_provider_kit.failures import FailureFacts, FailureRule, Sign

#: Where neither program is installed, this is what a caller is told.
INSTALL = "its vendor's own install script; or Gemini CLI instead: npm install -g @google/gemini-cli@0.61.0"
LOGIN = "agy"

RECOVERIES = {"auth_required": "Log in once with `agy` at a keyboard, then send the request again."}
#: Its log of what is no error: "W0520 11:22:25.823455 117 log_context.go:117] …".
_LOG = re.compile(r"^[IWD]\d{4} \d\d:\d\d:\d\d.*$", re.MULTILINE)


def _category(name: str) -> Sign:
    """What the reader found."""
    return Sign(when=lambda facts: facts.told.get("category") == name)


def _cut(facts: FailureFacts) -> bool:
    """Ended in the middle, with an exit code that says nothing."""
    return facts.exit_code == 0 and facts.started and not facts.ended


RULES = (
    FailureRule(
        code="tool_denied",
        message="Antigravity needed a tool that it may not use unattended, and gave the turn up.",
        recovery="Ask for the posture bypass, use flavor gemini, or word the request so that it needs no such tool.",
        signs=(_category("denied"),),
    ),
    FailureRule(
        code="timeout",
        message="Antigravity ended the run at a time limit of its own.",
        recovery="Raise timeoutMs, or split the task.",
        signs=(_category("timeout"),),
    ),
    FailureRule(
        code="interrupted",
        message="Antigravity was ended from outside; what it wrote was kept.",
        signs=(Sign(when=_cut), Sign(kinds=("CANCELED", "CANCELLED", "INTERRUPTED"))),
    ),
    FailureRule(
        code="session_not_found",
        message="Antigravity does not know this conversation.",
        before_start=True,
        signs=(Sign(noise=r'conversation "[^"]*" not found'), Sign(words=r'conversation "[^"]*" not found')),
    ),
    FailureRule(
        code="version_unsupported",
        message="This version of Antigravity does not know a flag that the gateway needs (1.1.15 is the first that does).",
        recovery="Run `agy update`.",
        before_start=True,
        signs=(
            Sign(exits=(2,), when=lambda facts: not facts.ended),
            Sign(words=r"flag provided but not defined|flag needs an argument"),
        ),
    ),
    FailureRule(
        code="quota_exhausted",
        message="The account's quota is used up.",
        recovery="Wait until the quota is reset, or use another model or provider.",
        signs=(Sign(words=r"individual quota reached|quota reached|baseline quota", status=(None, 403, 429)),),
    ),
    FailureRule(
        code="auth_required",
        message="Antigravity is not logged in, or the account may not use it.",
        signs=(
            Sign(
                status=(None, 401, 403),
                words=r"authentication timed out|not logged in|getting token source|valid license|not eligible",
            ),
        ),
    ),
    FailureRule(
        code="overloaded",
        message="The model's answer was interrupted. What had come of it was kept; it may be the whole answer.",
        recovery="Read the text that was kept; if it is not complete, send the request again in a moment.",
        signs=(Sign(status=(None,), words=r"(?:stream|response|generation) (?:was |has been )?interrupted"),),
    ),
)


def explain(run: FinishedRun) -> Failure:
    """Name the cause."""
    own = replace(run, stderr_tail=_LOG.sub("", run.stderr_tail))
    failure = failures.explain(own, RULES, program="Antigravity", recoveries=RECOVERIES)
    retryable = run.summary.failure.get("retryable")
    if failure.code == "provider_failed" and failure.retryable is None and isinstance(retryable, bool):
        return replace(failure, retryable=retryable)  # Antigravity says so itself
    return failure
