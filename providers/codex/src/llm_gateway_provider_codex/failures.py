"""Failure rules for messages of Codex itself. The provider kit has the shared rules for services and networks."""

from __future__ import annotations

from dataclasses import replace

from llm_gateway import Failure, FinishedRun
from llm_gateway_provider_kit import failures
from llm_gateway_provider_kit.contract import load_contract
from llm_gateway_provider_kit.failures import FailureFacts, FailureRule, Sign

CONTRACT = load_contract(__package__)
INSTALL, LOGIN = CONTRACT.install, CONTRACT.login

_LOG_IN = f"Run `{LOGIN}` (or set CODEX_API_KEY for the gateway), then send the request again."
#: Codex writes this line to standard error of every run.
_GREETING = "Reading additional input from stdin..."


def _silent(facts: FailureFacts) -> bool:
    """After SIGINT, Codex exits with code 1 and prints nothing."""
    return facts.exit_code == 1 and bool(facts.told.get("turns")) and not facts.ended and not facts.words


RULES = (
    FailureRule(
        code="provider_failed",
        message="Codex runs commands in a sandbox, and none works on this machine: it could run nothing.",
        recovery="Allow unprivileged user namespaces (a container needs them granted), or ask for the posture bypass.",
        signs=(Sign(when=lambda facts: facts.told.get("sandbox")),),
    ),
    FailureRule(
        code="session_not_found",
        message="Codex does not know this conversation.",
        before_start=True,
        signs=(Sign(words=r"no rollout found for thread id|session not found"),),
    ),
    FailureRule(
        code="session_busy",
        message="Another Codex is writing to this conversation.",
        recovery="Wait until it has ended, then send the request again.",
        before_start=True,
        signs=(Sign(words=r"already has an active writer"),),
    ),
    FailureRule(
        code="session_not_resumable",
        message="This conversation was archived.",
        recovery="Run `codex unarchive` with its id, or pass createNewSession: true.",
        before_start=True,
        signs=(Sign(words=r"session \S+ is archived"),),
    ),
    FailureRule(
        code="invalid_request",
        message="The model service does not accept this outputSchema.",
        recovery="Each object of it needs additionalProperties: false, and all of its properties in required.",
        signs=(Sign(words=r"invalid schema for response_format|invalid_json_schema"),),
    ),
    FailureRule(
        code="auth_required",
        message="The model service does not accept Codex's login, or the account may not use it.",
        recovery=_LOG_IN,
        signs=(
            Sign(
                status=(None, 400, 401, 403),
                words=r"missing environment variable|not logged in|access token|refresh token|(?:log|sign) in again|session has ended"
                r"|country, region, or territory",
            ),
            Sign(status=(401,)),
            Sign(kinds=("unauthorized",)),
        ),
    ),
    FailureRule(
        code="quota_exhausted",
        message="The account's credit or plan does not cover this request.",
        recovery="Add credit to the account or change its plan; or use another provider.",
        retryable=False,
        signs=(Sign(words=r"^quota exceeded\. check your plan and billing"),),
    ),
    FailureRule(
        code="bad_model",
        message="The model does not exist, or this account may not use it.",
        recovery="Leave model out: Codex's own default is used.",
        # The model is not in the catalogue, and the service refused the request.
        signs=(Sign(when=lambda facts: facts.message and "Model metadata for" in facts.told.get("warnings", "")),),
    ),
    FailureRule(
        code="provider_failed",
        message="The model service was not found under its address.",
        recovery="Check what [providers.codex] overrides or Codex's own config.toml say about the service.",
        signs=(Sign(words=r"status 404 not found: not found"),),
    ),
    FailureRule(
        code="provider_failed",
        message="An MCP server that was given to the run did not start.",
        recovery="Repair it, or leave it out of mcpServers ([]: none, not even the default).",
        before_start=True,
        signs=(Sign(noise=r"required mcp servers failed"),),
    ),
    FailureRule(
        code="not_installed",
        message="Codex's program is incomplete: npm left out its optional packages.",
        recovery=f"Install it with them: {INSTALL}",
        signs=(Sign(words=r"missing optional dependency"),),
    ),
    FailureRule(
        code="provider_failed",
        message="Codex cannot use its own folder or its settings.",
        recovery="Check CODEX_HOME, its config.toml and [providers.codex] overrides.",
        before_start=True,
        signs=(
            Sign(words=r"error finding codex home|error loading config|error parsing -c|model provider \S+ not found"),
        ),
    ),
    FailureRule(
        code="version_unsupported",
        message="This version of Codex does not know a flag or a feature that the gateway needs.",
        recovery=f"Install a version that is known to work: {INSTALL}",
        before_start=True,
        signs=(
            Sign(words=r"error: unexpected argument|error: unrecognized|unknown feature flag|error: invalid value"),
        ),
    ),
    FailureRule(
        code="interrupted",
        message="Codex was interrupted before it ended; what it wrote was kept.",
        signs=(Sign(when=_silent),),
    ),
)


def explain(run: FinishedRun) -> Failure:
    """Return the cause of a failed run."""
    cleaned = replace(run, stderr_tail=run.stderr_tail.replace(_GREETING, ""))
    failure = failures.explain(cleaned, RULES, program="Codex")
    sandbox = run.summary.failure.get("sandbox")
    return replace(failure, provider_message=str(sandbox)) if sandbox else failure
