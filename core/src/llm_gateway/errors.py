"""Every error that a caller can get.

    GatewayError
    ├── RefusedError            nothing was run; the request itself must change
    │   ├── InvalidRequest          invalid_request
    │   ├── InputTooLarge           input_too_large
    │   ├── ApprovalDenied          approval_denied
    │   ├── ApprovalNeeded          approval_needed
    │   ├── SessionNotFound         session_not_found
    │   ├── SessionNotResumable     session_not_resumable
    │   └── UnknownMcpServer        unknown_mcp_server
    ├── SetupError              nothing was run; the setup of this machine must change
    │   ├── NotInstalled            not_installed
    │   ├── VersionUnsupported      version_unsupported
    │   └── StoreUnavailable        store_unavailable
    ├── BusyError               nothing was run; the same request may succeed later
    │   ├── SessionBusy             session_busy
    │   └── Saturated               saturated
    └── RunError                the run started and failed
        ├── AuthRequired            auth_required
        ├── QuotaExhausted          quota_exhausted
        ├── Overloaded              overloaded
        ├── Unreachable             unreachable
        ├── BadModel                bad_model
        ├── ToolDenied              tool_denied
        ├── RunTimeout              timeout
        ├── IdleTimeout             idle_timeout
        ├── OutputUnreadable        output_unreadable
        ├── OutputOverflow          output_overflow
        ├── EmptyOutput             empty_output
        ├── ProviderFailed          provider_failed
        └── Interrupted             interrupted

The docstring of a class is its default message. Programs test its `code`. Cancelling a job is not an error: it is a state.

    try:
        result = await gateway.call("echo_request", {"prompt": "hello"}, context)
    except GatewayError as error:
        print(error.code, error.message, error.recovery)
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar


class GatewayError(Exception):
    """The gateway could not do this."""

    code: ClassVar[str] = ""
    retryable: bool = False  #: the default of this code; an instance can override it
    default_recovery: ClassVar[str | None] = None
    #: Warnings to add to the answer.
    notices: tuple[Any, ...] = ()

    def __init__(
        self,
        message: str | None = None,
        *,
        recovery: str | None = None,
        provider_message: str | None = None,
        reset_at: datetime | None = None,
        retryable: bool | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.recovery = recovery or self.default_recovery
        #: The provider's message, unchanged.
        self.provider_message = provider_message
        #: When the quota is available again, if known (aware UTC).
        self.reset_at = reset_at
        if retryable is not None:
            self.retryable = retryable
        super().__init__(self.message)

    def to_wire(self) -> dict[str, Any]:
        """Return the `error` object of an answer, without the fields that are not known."""
        wire: dict[str, Any] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.recovery:
            wire["recovery"] = self.recovery
        if self.provider_message:
            wire["providerMessage"] = self.provider_message
        if self.reset_at:
            wire["resetAt"] = self.reset_at.isoformat().replace("+00:00", "Z")
        return wire


class RefusedError(GatewayError):
    """The request was refused before anything ran."""


class InvalidRequest(RefusedError):
    """The request is not valid."""

    code = "invalid_request"
    default_recovery = "Change the request as the message says."


class InputTooLarge(RefusedError):
    """The prompt is larger than 10 MB."""

    code = "input_too_large"
    default_recovery = "Put the material into files of the working directory and name them in the prompt."


class ApprovalDenied(RefusedError):
    """A policy denied this request."""

    code = "approval_denied"
    default_recovery = "Request a lower posture, or ask the administrator of the policy that the message names."


class ApprovalNeeded(RefusedError):
    """A human must approve this request first."""

    code = "approval_needed"
    default_recovery = "Request a lower posture, or let a person approve: use a client that can ask its user, or `llm-gateway ask` in a terminal."


class SessionNotFound(RefusedError):
    """There is no such session."""

    code = "session_not_found"
    default_recovery = "Leave sessionId out, or pass createNewSession: true, to start a new conversation."


class SessionNotResumable(RefusedError):
    """This conversation cannot be continued."""

    code = "session_not_resumable"
    default_recovery = "Pass createNewSession: true and repeat what the new conversation needs to know."


class UnknownMcpServer(RefusedError):
    """No MCP server of this name is registered."""

    code = "unknown_mcp_server"
    default_recovery = "Leave the name out of mcpServers, or register the server under `[mcp_servers.<name>]`."


class SetupError(GatewayError):
    """This machine is not set up for the request."""


class NotInstalled(SetupError):
    """The provider's command-line program is not installed."""

    code = "not_installed"
    default_recovery = "Install the program, then send the request again; `llm-gateway doctor` shows where the gateway searches for it."


class VersionUnsupported(SetupError):
    """The installed version of the provider's program cannot be used."""

    code = "version_unsupported"
    default_recovery = "Upgrade the program: `cli_upgrade` shows the command."


class StoreUnavailable(SetupError):
    """The store cannot be reached."""

    code = "store_unavailable"
    retryable = True
    default_recovery = "Run `llm-gateway doctor` to see the cause; then send the request again."


class BusyError(GatewayError):
    """The gateway is too busy for this request at the moment."""

    retryable = True


class SessionBusy(BusyError):
    """Another turn of this conversation is still running."""

    code = "session_busy"
    default_recovery = 'Wait for the running job, or pass onBusy: "queue".'


class Saturated(BusyError):
    """The queue is full."""

    code = "saturated"
    default_recovery = "Wait for a job to end, then send the request again."


class RunError(GatewayError):
    """The run failed."""


class AuthRequired(RunError):
    """The provider does not accept the login."""

    code = "auth_required"
    default_recovery = (
        "Log in with the provider's own program, or give the gateway a valid key; then send the request again."
    )


class QuotaExhausted(RunError):
    """The provider's quota is used up."""

    code = "quota_exhausted"
    retryable = True
    default_recovery = "Wait until `resetAt`, if it is given, or use another provider."


class Overloaded(RunError):
    """The provider is overloaded."""

    code = "overloaded"
    retryable = True
    default_recovery = "Try again in a moment; if it persists, check the service's status or use another provider."


class Unreachable(RunError):
    """The provider's service could not be reached over the network."""

    code = "unreachable"
    retryable = True
    default_recovery = (
        "Check the network, the proxy settings (HTTPS_PROXY, NO_PROXY), the certificates (SSL_CERT_FILE, "
        "NODE_EXTRA_CA_CERTS) and the service's address, then send the request again."
    )


class BadModel(RunError):
    """The provider does not know this model."""

    code = "bad_model"
    default_recovery = "Leave model out: the provider's own default is used."


class ToolDenied(RunError):
    """The agent needed a tool that it was not allowed to use."""

    code = "tool_denied"
    default_recovery = "Ask for a higher posture, or name the tool in allowedTools."


class RunTimeout(RunError):
    """The run took longer than its time limit."""

    code = "timeout"
    default_recovery = "Raise timeoutMs, or split the task."


class IdleTimeout(RunError):
    """The run wrote nothing for longer than its idle limit."""

    code = "idle_timeout"
    default_recovery = "Raise idleTimeoutMs, or leave it out."


class OutputUnreadable(RunError):
    """The provider's output could not be read as an answer."""

    code = "output_unreadable"
    default_recovery = "Read the raw output with `llm_job_result` and `raw`; check whether the program is newer than the tested versions."


class OutputOverflow(RunError):
    """The run wrote more than the output limit and was stopped."""

    code = "output_overflow"
    default_recovery = "Ask for less output, or raise `[limits] output_bytes`."


class EmptyOutput(RunError):
    """The provider ended without an answer."""

    code = "empty_output"
    retryable = True
    default_recovery = "Check whether files were changed; then send the request again, or with another prompt."


class ProviderFailed(RunError):
    """The provider's program failed."""

    code = "provider_failed"
    default_recovery = (
        "Read the provider's message and stderr (`llm_job_result` with `raw`); change the request, "
        "or use another provider."
    )


class Interrupted(RunError):
    """The run was interrupted before it ended; its output was kept."""

    code = "interrupted"
    retryable = True
    default_recovery = "Read the partial output, then send the request again with forceRefresh: true."


def _leaves(cls: type[GatewayError]) -> list[type[GatewayError]]:
    return [leaf for sub in cls.__subclasses__() for leaf in (_leaves(sub) or [sub])]


#: All error codes: code -> class.
ERRORS: dict[str, type[GatewayError]] = {cls.code: cls for cls in _leaves(GatewayError)}


def error_for(code: str, message: str | None = None, **details: Any) -> GatewayError:
    """Make the error with this code. Raises KeyError for a code that is not in `ERRORS`."""
    return ERRORS[code](message, **details)
