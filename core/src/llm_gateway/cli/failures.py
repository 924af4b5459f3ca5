"""Convert an exception to a message for the user and an exit code."""

from __future__ import annotations

from dataclasses import dataclass

from llm_gateway.cli.exits import Exit, UsageError
from llm_gateway.cli.vocabulary import at_terminal
from llm_gateway.errors import GatewayError, InvalidRequest
from llm_gateway.locations import LocationError
from llm_gateway.plugins import PluginError
from llm_gateway.settings import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The message for a failure, and the exit code."""

    text: str
    code: Exit


def explain(error: BaseException) -> Explanation | None:
    """Return the explanation of an error. None for a bug of the gateway: then the traceback is shown."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    if len(inner) == 1:  # an exception group, as task groups raise it
        return explain(inner[0])
    if isinstance(error, SettingsError):
        separator = " " if len(error.problems) == 1 else "\n"
        return Explanation(text=f"llm-gateway: the settings are not valid:{separator}{error}", code=Exit.USAGE)
    if isinstance(error, (UsageError, PluginError, LocationError)):
        return Explanation(text=f"llm-gateway: {error}", code=Exit.USAGE)
    if isinstance(error, GatewayError):
        return Explanation(text=f"llm-gateway: {error_text(error)}", code=exit_of(error))
    return None


def exit_of(error: GatewayError) -> Exit:
    """Return the exit code of an error: USAGE for an invalid request, FAILED for all others."""
    return Exit.USAGE if isinstance(error, InvalidRequest) else Exit.FAILED


def error_text(error: GatewayError) -> str:
    """Return the message of an error, its recovery and the message of the provider."""
    lines = [f"{at_terminal(error.message)} ({error.code})", at_terminal(error.recovery or "")]
    if error.provider_message:
        lines.append(f"Message of the provider: {error.provider_message}")
    return "\n".join(filter(None, lines))
