"""Failure rules for messages of Gemini CLI itself. The provider kit has the shared rules for services and networks."""

from __future__ import annotations

from llm_gateway import Failure, FinishedRun
from llm_gateway_provider_kit import failures
from llm_gateway_provider_kit.contract import load_contract
from llm_gateway_provider_kit.failures import FailureFacts, FailureRule, Sign

CONTRACT = load_contract("llm_gateway_provider_gemini")
INSTALL, LOGIN = CONTRACT.install, CONTRACT.login

RECOVERIES = {
    "auth_required": "Set GEMINI_API_KEY for the gateway, or log in once with `gemini` in a terminal, then send the request again. "
    "Google refuses personal logins in Gemini CLI: those accounts need a key, or Antigravity (flavor agy).",
    "overloaded": "Try again in a moment, or use another model; if it persists, check the service's status and GOOGLE_GEMINI_BASE_URL.",
}
_REPHRASE = "Write the request in other words, or use another model."


def _category(*names: str) -> Sign:
    """Match a category that the reader set."""
    return Sign(when=lambda facts: facts.told.get("category") in names)


def _cut(facts: FailureFacts) -> bool:
    """Whether the run ended early: after a signal, Gemini CLI exits with code 0 and prints no result."""
    return facts.exit_code == 0 and facts.started and not facts.ended


RULES = (
    FailureRule(
        code="provider_failed",
        message="Gemini CLI ran without the rules of this run: it could not read its policy file.",
        recovery="Check what the run has changed, and report this as a bug.",
        signs=(_category("rules"), Sign(words=r"the run's rules are missing")),
    ),
    FailureRule(
        code="interrupted",
        message="Gemini CLI was ended from outside, or its output was cut; what it wrote was kept.",
        signs=(Sign(when=_cut), Sign(kinds=("FatalCancellationError",))),
    ),
    FailureRule(
        code="session_not_resumable",
        message="Gemini CLI already has a conversation under the id of this one.",
        recovery="Send the request again with forceRefresh: true.",
        before_start=True,
        signs=(Sign(words=r"session id \S+ already exists"),),
    ),
    FailureRule(
        code="session_not_found",
        message="Gemini CLI does not know this conversation in this directory.",
        before_start=True,
        signs=(Sign(words=r"invalid session identifier|no previous sessions found|error resuming session"),),
    ),
    FailureRule(
        code="provider_failed",
        message="Gemini CLI stopped at maxTurns.",
        recovery="Raise the limit, or continue the conversation with sessionId: it is kept.",
        retryable=False,
        signs=(Sign(kinds=("FatalTurnLimitedError",)), Sign(exits=(53,)), Sign(words=r"max session turns")),
    ),
    FailureRule(
        code="provider_failed",
        message="Gemini CLI stopped because the model repeated itself.",
        recovery=_REPHRASE,
        signs=(_category("loop"),),
    ),
    FailureRule(
        code="input_too_large",
        message="The conversation does not fit into the model's context.",
        recovery="Start a new conversation, or name files instead of pasting them.",
        signs=(
            _category("overflow"),
            Sign(words=r"will overflow|context window will|exceeds the maximum number of tokens"),
        ),
    ),
    FailureRule(
        code="quota_exhausted",
        message="The account's billing does not cover this request.",
        recovery="Add credit to the account or repair its billing; or use another provider.",
        retryable=False,
        signs=(
            Sign(
                status=(None, 400, 402, 403, 429),
                words=r"insufficient_g1_credits|BILLING_DISABLED|\bdunning\b|billing account[^\n]{0,80}(?:disabled|closed|absent)",
                waits=False,
            ),
        ),
    ),
    FailureRule(
        code="quota_exhausted",
        message="The quota for this model is used up.",
        recovery="Wait until the quota is reset (a daily one: tomorrow), or use another model or provider.",
        signs=(
            Sign(
                status=(None, 403, 429, 499),
                words=r"exhausted your (?:daily quota|capacity)|per day|PerDay|QUOTA_EXHAUSTED|exceeded your current quota|quota exceeded",
            ),
        ),
    ),
    FailureRule(
        code="auth_required",
        message="This account needs a Google Cloud project for Gemini CLI.",
        recovery="Set GOOGLE_CLOUD_PROJECT for the gateway, or GEMINI_API_KEY instead of the login; then send the request again.",
        signs=(Sign(words=r"requires setting the GOOGLE_CLOUD_PROJECT"),),
    ),
    FailureRule(
        code="auth_required",
        message="The model service does not accept Gemini CLI's login, or there is none.",
        signs=(
            Sign(exits=(41,)),
            Sign(kinds=("FatalAuthenticationError", "IneligibleTierError", "ValidationRequiredError")),
            Sign(
                status=(None, 400, 401, 403),
                words=r"set an auth method|specify the GEMINI_API_KEY|IneligibleTierError|UNSUPPORTED_CLIENT|invalid_grant|invalid_rapt"
                r"|load the default credentials|valid license of this product|manual authorization is required|invalid auth method",
            ),
        ),
    ),
    FailureRule(
        code="bad_model",
        message="The model does not exist, or this account may not use it.",
        recovery="Leave model out, or take one from list_models.",
        signs=(
            Sign(words=r"is not found for API version|ModelNotFoundError"),
            Sign(status=(404,), words=r"requested entity was not found|no longer available|\bmodels?\b"),
            Sign(kinds=("ModelNotFoundError",)),
        ),
    ),
    FailureRule(
        code="overloaded",
        message="The model service aborted the request.",
        signs=(Sign(status=(499,)),),
    ),
    FailureRule(
        code="overloaded",
        message="The connection to the model service broke in the middle of an answer.",
        signs=(
            Sign(
                status=(None,),
                words=r"API Error: terminated|TypeError: terminated|incomplete json segment|unexpected line format in response|AbortError",
            ),
        ),
    ),
    FailureRule(
        code="provider_failed",
        message="The model service stopped this request as unsafe or against its policies.",
        recovery=_REPHRASE,
        signs=(
            Sign(
                status=(None, 400),
                words=r"(?:response|prompt|request|content|candidate) (?:was |is |has been |generation )?(?:blocked|stopped|filtered)"
                r"|PROHIBITED_CONTENT|BLOCKLIST|\bSPII\b|RECITATION|(?:IMAGE|finish ?reason:?|reason:?|due to) ?_?\"?SAFETY|blockReason",
            ),
        ),
    ),
    FailureRule(
        code="empty_output",
        message="The model gave no answer.",
        recovery="Send the request again; note that files may have changed.",
        signs=(
            Sign(
                status=(None,),
                words=r"empty response|no text or thoughts|INVALID_STREAM|malformed function call|unexpected tool call|without a finish reason",
            ),
            Sign(kinds=("INVALID_STREAM",)),
        ),
    ),
    FailureRule(
        code="provider_failed",
        message="Gemini CLI could not start its sandbox.",
        recovery="The gateway does not request one: remove GEMINI_SANDBOX and tools.sandbox from the administrator's settings.",
        signs=(Sign(exits=(44,)), Sign(words=r"FatalSandboxError")),
    ),
    FailureRule(
        code="provider_failed",
        message="An administrator's settings of Gemini CLI do not allow the posture bypass.",
        recovery="Ask for a lower posture.",
        signs=(Sign(words=r"YOLO mode is disabled"),),
    ),
    FailureRule(
        code="provider_failed",
        message="Gemini CLI does not accept its settings.",
        recovery="Read the program's message, and correct settings.json in ~/.gemini or in the project.",
        signs=(Sign(exits=(52,)), Sign(kinds=("FatalConfigError",))),
    ),
    FailureRule(
        code="provider_failed",
        message="Gemini CLI does not trust this directory.",
        recovery="Start `gemini` once in a terminal in this directory, and trust it.",
        signs=(Sign(exits=(55,)), Sign(words=r"not running in a trusted directory")),
    ),
    FailureRule(
        code="version_unsupported",
        message="This version of Gemini CLI does not know a flag that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        before_start=True,
        signs=(Sign(words=r"unknown arguments?:|invalid values:"),),
    ),
)


def explain(run: FinishedRun) -> Failure:
    """Return the cause of a failed run."""
    return failures.explain(run, RULES, program="Gemini CLI", recoveries=RECOVERIES)
