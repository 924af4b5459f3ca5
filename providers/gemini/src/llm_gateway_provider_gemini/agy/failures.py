"""Failure rules for messages of Antigravity, from public reports. The provider kit has the shared rules."""

from __future__ import annotations

import re
from dataclasses import replace

from llm_gateway import Failure, FinishedRun
from llm_gateway_provider_gemini.gemini_cli import failures as gemini_cli
from llm_gateway_provider_kit import failures
from llm_gateway_provider_kit.contract import load_contract
from llm_gateway_provider_kit.failures import FailureFacts, FailureRule, Sign

CONTRACT = load_contract("llm_gateway_provider_gemini", "agy")
#: Callers see it if neither program is installed.
INSTALL = f"{CONTRACT.install}; or Gemini CLI instead: {gemini_cli.INSTALL}"

RECOVERIES = {"auth_required": "Log in once with `agy` in a terminal, then send the request again."}
#: A line of its log below the level of errors: "W0520 11:22:25.823455 117 log_context.go:117] …".
_LOG = re.compile(r"^[IWD]\d{4} \d\d:\d\d:\d\d.*$", re.MULTILINE)


def _category(name: str) -> Sign:
    """Match the category that the reader set."""
    return Sign(when=lambda facts: facts.told.get("category") == name)


def _cut(facts: FailureFacts) -> bool:
    """Whether the run ended early with exit code 0."""
    return facts.exit_code == 0 and facts.started and not facts.ended


RULES = (
    FailureRule(
        code="tool_denied",
        message="Antigravity needed a tool that it may not use unattended, and stopped the turn.",
        recovery="Ask for the posture bypass, use flavor gemini, or change the request so that it needs no such tool.",
        signs=(_category("denied"),),
    ),
    FailureRule(
        code="timeout",
        message="Antigravity ended the run at its own time limit.",
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
        message="The model's answer was interrupted. The received text was kept; it may be the complete answer.",
        recovery="Read the kept text; if it is not complete, send the request again in a moment.",
        signs=(Sign(status=(None,), words=r"(?:stream|response|generation) (?:was |has been )?interrupted"),),
    ),
)


def explain(run: FinishedRun) -> Failure:
    """Return the cause of a failed run."""
    cleaned = replace(run, stderr_tail=_LOG.sub("", run.stderr_tail))
    failure = failures.explain(cleaned, RULES, program="Antigravity", recoveries=RECOVERIES)
    retryable = run.summary.failure.get("retryable")
    if failure.code == "provider_failed" and failure.retryable is None and isinstance(retryable, bool):
        return replace(failure, retryable=retryable)  # reported by Antigravity
    return failure
