"""From an exception to words for a person and an exit code."""

from __future__ import annotations

from dataclasses import dataclass

from llm_gateway.cli.exits import Exit
from llm_gateway.errors import GatewayError, InvalidRequest
from llm_gateway.locations import LocationError
from llm_gateway.plugins import PluginError
from llm_gateway.settings import SettingsError


class UsageError(Exception):
    """The command was used wrongly; the message says how to do it right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of a failure, and the exit code."""

    text: str
    code: Exit


def explain(error: BaseException) -> Told | None:
    """Say what went wrong. None: a defect of ours, whose traceback is wanted."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    if len(inner) == 1:  # an exception group, as task groups raise it
        return explain(inner[0])
    if isinstance(error, SettingsError):
        between = " " if len(error.problems) == 1 else "\n"
        return Told(text=f"llm-gateway: the settings cannot be used:{between}{error}", code=Exit.USAGE)
    if isinstance(error, (UsageError, PluginError, LocationError)):
        return Told(text=f"llm-gateway: {error}", code=Exit.USAGE)
    if isinstance(error, GatewayError):
        return Told(text=f"llm-gateway: {error_text(error)}", code=exit_of(error))
    return None


def exit_of(error: GatewayError) -> Exit:
    """A request that must be worded otherwise is wrong usage, everything else a failure."""
    return Exit.USAGE if isinstance(error, InvalidRequest) else Exit.FAILED


def error_text(error: GatewayError) -> str:
    """An error with its advice and the provider's words."""
    lines = [f"{error.message} ({error.code})", error.recovery or ""]
    if error.provider_message:
        lines.append(f"The provider said: {error.provider_message}")
    return "\n".join(filter(None, lines))
