"""Failure rules for messages of Claude Code itself. The provider kit has the shared rules for services and networks."""

from __future__ import annotations

from llm_gateway import Failure, FinishedRun
from llm_gateway_provider_kit import failures
from llm_gateway_provider_kit.contract import load_contract
from llm_gateway_provider_kit.failures import FailureRule, Sign

CONTRACT = load_contract(__package__)
INSTALL, LOGIN = CONTRACT.install, CONTRACT.login

_LOG_IN = f"Run `{LOGIN}` (or set ANTHROPIC_API_KEY for the gateway), then send the request again."
_LIMIT = "Raise the limit, or continue the conversation with sessionId: it is kept."
_DENIED = (None, 400, 401, 403)

RULES = (
    FailureRule(
        code="session_not_found",
        message="Claude Code does not know this conversation.",
        before_start=True,
        signs=(Sign(words=r"no conversation found|does not match any session|invalid session id"),),
    ),
    FailureRule(
        code="session_not_resumable",
        message="Claude Code already has a conversation under the id of this one.",
        recovery="Send the request again with forceRefresh: true.",
        before_start=True,
        signs=(Sign(words=r"session id \S+ is already in use"),),
    ),
    FailureRule(
        code="interrupted",
        message="Claude Code was interrupted before it ended; what it wrote was kept.",
        signs=(Sign(kinds=("aborted_streaming", "aborted_tools")),),
    ),
    FailureRule(
        code="provider_failed",
        message="Claude Code stopped at maxTurns.",
        recovery=_LIMIT,
        retryable=False,
        signs=(Sign(kinds=("max_turns", "error_max_turns")),),
    ),
    FailureRule(
        code="provider_failed",
        message="Claude Code stopped at maxBudgetUsd.",
        recovery=_LIMIT,
        retryable=False,
        signs=(Sign(kinds=("budget_exhausted", "error_max_budget_usd")),),
    ),
    FailureRule(
        code="input_too_large",
        message="The prompt is larger than Claude Code reads.",
        signs=(Sign(words=r"stdin input exceeds"),),
    ),
    FailureRule(
        code="auth_required",
        message="The model service does not accept Claude Code's login, or the account may not use it.",
        recovery=_LOG_IN,
        signs=(
            Sign(status=_DENIED, words=r"run /login|not logged in|organi[sz]ation (?:has been |has )?(?:is )?disabled"),
            Sign(kinds=("authentication_failed", "oauth_org_not_allowed")),
            Sign(status=(401,)),
        ),
    ),
    FailureRule(
        code="unreachable",
        message="The model service could not be reached.",
        # It calls this a server error, too, which the shared rules take for an overloaded service.
        signs=(Sign(status=(None,), words=r"\((?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)\)"),),
    ),
    FailureRule(
        code="bad_model",
        message="The model does not exist, or this account may not use it.",
        recovery="Leave model out: Claude Code's own default is used.",
        signs=(Sign(status=(404,)), Sign(kinds=("model_not_found",))),
    ),
    FailureRule(
        code="tool_denied",
        message="Claude Code ended because a tool call could not be approved.",
        recovery="Ask for a higher posture, or allow the tool with allowedTools.",
        signs=(Sign(words=r"auto mode could not check"),),
    ),
    FailureRule(
        code="provider_failed",
        message="The posture workspace_write needs a sandbox, and this machine has none that works.",
        recovery="Install bubblewrap and socat, or ask for the posture accept_edits.",
        signs=(Sign(words=r"sandbox required but unavailable"),),
    ),
    FailureRule(
        code="provider_failed",
        message="Claude Code refuses the posture bypass to root.",
        recovery="Run the gateway as another user, or ask for a lower posture.",
        signs=(Sign(words=r"cannot be used with root"),),
    ),
    FailureRule(
        code="not_installed",
        message="Claude Code's program is incomplete: npm's install scripts were switched off.",
        recovery=f"Install it with scripts: {INSTALL}",
        signs=(Sign(words=r"native binary not installed"),),
    ),
    FailureRule(
        code="version_unsupported",
        message="This version of Claude Code does not know a flag that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        signs=(Sign(words=r"error: unknown option"),),
    ),
)


def explain(run: FinishedRun) -> Failure:
    """Return the cause of a failed run."""
    return failures.explain(run, RULES, program="Claude Code")
