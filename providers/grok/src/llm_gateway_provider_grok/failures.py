"""Failure rules for messages of Grok itself. The provider kit has the shared rules for services and networks."""

from __future__ import annotations

from llm_gateway import Failure, FinishedRun
from llm_gateway_provider_kit import failures
from llm_gateway_provider_kit.contract import load_contract
from llm_gateway_provider_kit.failures import FailureRule, Sign

CONTRACT = load_contract(__package__)
INSTALL, LOGIN = CONTRACT.install, CONTRACT.login

RECOVERIES = {
    "auth_required": f"Run `{LOGIN}` (or set XAI_API_KEY for the gateway), then send the request again.",
    "overloaded": "Try again in a moment; if it persists, check the service's status and GROK_XAI_API_BASE_URL.",
    "bad_model": "Leave model out: Grok's own default is used. `grok models` lists the models.",
}
_REPHRASE = "Write the request in other words, or use another model."

RULES = (
    FailureRule(
        code="provider_failed",
        message="Grok stopped at maxTurns.",
        recovery="Raise the limit, or continue the conversation with sessionId: it is kept.",
        retryable=False,
        signs=(
            Sign(when=lambda facts: facts.told.get("capped")),
            Sign(kinds=("max_turn_requests", "max_turns")),
            Sign(kinds=("cancelled",), exits=(1,)),  # a turn that ended for want of an approval exits with 0
            Sign(words=r"^error: max turns reached"),
        ),
    ),
    FailureRule(
        code="tool_denied",
        message="Grok ended the turn because a tool call needed an approval, and an unattended run cannot get one.",
        recovery="Ask for a higher posture, allow the tool with allowedTools, or ask for read_only, where calls are denied instead.",
        signs=(Sign(kinds=("cancelled", "canceled")),),
    ),
    FailureRule(
        code="provider_failed",
        message="The answer exceeded the output limit of the model.",
        recovery="Ask for a shorter answer, or for files instead of one long answer.",
        signs=(Sign(words=r"max_tokens_truncation|truncated by max_tokens"),),
    ),
    FailureRule(
        code="provider_failed",
        message="The model service stopped this request as unsafe or against its guidelines.",
        recovery=_REPHRASE,
        signs=(
            Sign(kinds=("refusal",)),
            Sign(status=(None, 400, 403, 422), words=r"usage guidelines|SAFETY_CHECK_TYPE|failed (?:safety )?check"),
        ),
    ),
    FailureRule(
        code="session_not_found",
        message="Grok does not know this conversation.",
        before_start=True,
        signs=(Sign(words=r"for session restore|not found locally|no session found|must be a valid uuid"),),
    ),
    FailureRule(
        code="session_not_resumable",
        message="Grok already has a conversation under the id of this one.",
        recovery="Send the request again with forceRefresh: true.",
        before_start=True,
        signs=(Sign(words=r"session id \S+ is already in use"),),
    ),
    FailureRule(
        code="session_not_resumable",
        message="The sandbox of a conversation cannot be changed after its first turn.",
        recovery="Pass the same sandbox as in its first turn, or createNewSession: true.",
        before_start=True,
        signs=(Sign(words=r"cannot resume this session under sandbox"),),
    ),
    FailureRule(
        code="auth_required",
        message="The model service does not accept Grok's login, or the account may not use it.",
        signs=(
            Sign(
                status=(None, 400, 401, 403),
                words=r"not signed in|no auth context|access to the chat endpoint is denied|invalid_grant|bad[- ]credentials"
                r"|need a valid (?:login|account)",
            ),
        ),
    ),
    FailureRule(
        code="bad_model",
        message="Grok does not know this model, or this account may not use it.",
        signs=(
            Sign(words=r"couldn't set model|unknown model id"),
            Sign(status=(404,), words=r"model"),
        ),
    ),
    FailureRule(
        code="overloaded",
        message="The connection to the model service broke in the middle of an answer.",
        signs=(Sign(status=(None,), words=r"error decoding response body"),),
    ),
    FailureRule(
        code="empty_output",
        message="The model returned an empty answer.",
        recovery="Send the request again, or write it in other words.",
        signs=(Sign(words=r"no_visible_content|empty response from model"),),
    ),
    FailureRule(
        code="invalid_request",
        message="This model does not support this effort.",
        recovery="Pass one of the levels that the provider's message names, or leave effort out.",
        signs=(
            Sign(words=r"unknown effort level"),
            Sign(status=(400,), words=r"reasoning[ _]?effort[^\n]{0,80}(?:not |un)support"),
        ),
    ),
    FailureRule(
        code="invalid_request",
        message="Grok does not accept this outputSchema.",
        recovery="Pass a JSON Schema of an object.",
        signs=(Sign(words=r"--json-schema:"),),
    ),
    FailureRule(
        code="provider_failed",
        message="The sandbox cannot be set up on this machine, and Grok does not run without it.",
        recovery="Install bubblewrap, or leave the parameter sandbox out.",
        signs=(Sign(words=r"sandbox could not enforce|sandbox profile resolve failed"),),
    ),
    FailureRule(
        code="provider_failed",
        message="Grok cannot use its own folder.",
        recovery="Make GROK_HOME (~/.grok) a folder that the gateway's user may write to.",
        signs=(Sign(words=r"FS_NOT_FOUND|couldn't create session"),),
    ),
    FailureRule(
        code="version_unsupported",
        message="This version of Grok does not know a flag that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        before_start=True,
        signs=(Sign(words=r"(?m)^error: (?:unexpected argument|invalid value)"),),
    ),
)


def explain(run: FinishedRun) -> Failure:
    """Return the cause of a failed run."""
    return failures.explain(run, RULES, program="Grok", recoveries=RECOVERIES)
