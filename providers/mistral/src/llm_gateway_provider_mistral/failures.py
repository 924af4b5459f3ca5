"""Failure rules for messages of Vibe itself. The provider kit has the shared rules for services and networks."""

from __future__ import annotations

from llm_gateway import Failure, FinishedRun
from llm_gateway_provider_kit import failures
from llm_gateway_provider_kit.contract import load_contract
from llm_gateway_provider_kit.failures import FailureRule, Sign

CONTRACT = load_contract(__package__)
INSTALL, LOGIN = CONTRACT.install, CONTRACT.login

RECOVERIES = {
    "auth_required": f"Run `{LOGIN}` (or set MISTRAL_API_KEY for the gateway), then send the request again.",
    "overloaded": "Try again in a moment; if it persists, check the service's status and `providers` in Vibe's config.toml.",
}
_LIMIT = "Raise the limit, or continue the conversation with sessionId: it is kept."
_NEW_CONVERSATION = "Start a new conversation (createNewSession: true) and repeat the needed information."

RULES = (
    FailureRule(
        code="bad_model",
        message="Mistral Vibe does not know a model with this alias, and its default model answered instead.",
        recovery="Leave model out, or pass an alias of `list_models`. The default model may already have changed files.",
        signs=(Sign(when=lambda facts: facts.told.get("wrong_model")),),
    ),
    FailureRule(
        code="provider_failed",
        message="Mistral Vibe stopped at maxTurns.",
        recovery=_LIMIT,
        retryable=False,
        signs=(Sign(kinds=("turn_limit",)), Sign(words=r"(?m)^stopped: turn_limit")),
    ),
    FailureRule(
        code="provider_failed",
        message="Mistral Vibe stopped at maxBudgetUsd.",
        recovery=_LIMIT,
        retryable=False,
        signs=(Sign(kinds=("price_limit",)), Sign(words=r"(?m)^stopped: price_limit")),
    ),
    FailureRule(
        code="provider_failed",
        message="Mistral Vibe stopped at a limit of tokens.",
        recovery=_LIMIT,
        retryable=False,
        signs=(Sign(kinds=("token_limit",)), Sign(words=r"(?m)^stopped: token_limit")),
    ),
    FailureRule(
        code="interrupted",
        message="Mistral Vibe was interrupted before it ended; what it wrote was kept.",
        signs=(
            Sign(kinds=("terminated", "deadline", "aborted", "interrupted")),
            Sign(words=r"(?m)^stopped: (?:terminated|deadline|aborted)"),
        ),
    ),
    FailureRule(
        code="session_not_found",
        message="Mistral Vibe does not know this conversation.",
        before_start=True,
        signs=(Sign(words=r"session not found|no sessions? found"),),
    ),
    FailureRule(
        code="session_busy",
        message="This conversation is open in another Mistral Vibe.",
        recovery="Close it there, or wait until it has ended.",
        before_start=True,
        signs=(Sign(words=r"session is already open"),),
    ),
    FailureRule(
        code="session_not_resumable",
        message="Mistral Vibe keeps no conversations: its session logging is off.",
        recovery="Remove VIBE_SESSION_LOGGING__ENABLED from [providers.mistral] env.",
        before_start=True,
        signs=(Sign(words=r"session logging is disabled"),),
    ),
    FailureRule(
        code="session_not_resumable",
        message="The model service no longer accepts the conversation's history: each further turn would fail in the same way.",
        recovery=_NEW_CONVERSATION,
        signs=(
            Sign(
                status=(None, 400, 422),
                words=r"invalid_request_message_order|assistant message must have either content or tool_calls|duplicate tool call id"
                r"|tool call id was [^\n]{0,60}but must be|tool call id has to be defined",
            ),
        ),
    ),
    FailureRule(
        code="quota_exhausted",
        message="The account's subscription does not cover this request.",
        recovery="Activate or change the subscription of the account, or use another provider.",
        retryable=False,
        signs=(
            Sign(
                status=(None, 400, 401, 402, 403, 429),
                words=r"(?:inactive|no active) subscription",
                waits=False,
            ),
        ),
    ),
    FailureRule(
        code="auth_required",
        message="The model service does not accept Mistral Vibe's key, or there is none.",
        signs=(
            Sign(kinds=("invalid_api_key",)),
            Sign(status=(None, 401), words=r"missing \S+ environment variable|invalid api key"),
        ),
    ),
    FailureRule(
        code="bad_model",
        message="The model service does not know this model.",
        recovery="Leave model out: Mistral Vibe's own default is used.",
        signs=(
            Sign(status=(None, 400, 404, 422), words=r"invalid[_ ]model|model[^\n]{0,80}not found"),
            Sign(status=(404,), words=r"model"),
        ),
    ),
    FailureRule(
        code="input_too_large",
        message="The conversation does not fit into the model's context.",
        recovery="Start a new conversation, or name files instead of pasting them.",
        signs=(
            Sign(kinds=("compaction_replacement_too_large", "context_too_long")),
            Sign(words=r"compaction summary and required|conversation context exceeds"),
        ),
    ),
    FailureRule(
        code="unreachable",
        message="The connection to the model service broke.",
        signs=(Sign(status=(None,), words=r"\b(?:Read|Write|Connect|RemoteProtocol)Error\b"),),
    ),
    FailureRule(
        code="provider_failed",
        message="The model service refused this request as unsafe or against its policies.",
        recovery="Write the request in other words, or use another model.",
        signs=(
            Sign(kinds=("refusal",)),
            Sign(
                status=(None, 400, 403, 422),
                words=r"content_filter|guardrail|moderation|\brefus(?:al|ed to (?:answer|respond|help))\b|model refused",
            ),
        ),
    ),
    FailureRule(
        code="invalid_request",
        message="Mistral Vibe could not attach the files that the prompt names with an @.",
        recovery="Write fewer paths with an @ in the prompt; it attaches at most eight files.",
        signs=(Sign(words=r"too many (?:file mentions|image attachments)|failed to attach"),),
    ),
    FailureRule(
        code="provider_failed",
        message="Mistral Vibe's configuration cannot be read.",
        recovery="Correct config.toml in VIBE_HOME (default: ~/.vibe).",
        before_start=True,
        signs=(Sign(words=r"cannot load the vibe config"),),
    ),
    FailureRule(
        code="version_unsupported",
        message="This version of Mistral Vibe does not know a flag or an agent that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        before_start=True,
        signs=(
            Sign(
                words=r"error: unexpected argument|agent '[^']*' not found|unrecognized arguments|error: invalid value"
            ),
        ),
    ),
)


def explain(run: FinishedRun) -> Failure:
    """Return the cause of a failed run."""
    return failures.explain(run, RULES, program="Mistral Vibe", recoveries=RECOVERIES)
