"""What a check is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from llm_gateway import Loopback, ProviderInfo
from llm_gateway_extension_verify.surroundings import Surroundings


class Differs(Exception):
    """The program does not do what its plugin relies on. The message says what it did."""


class Breach(Differs):
    """The program did what a posture or a project must not permit."""


class Skipped(Exception):
    """The check cannot be made here. The message says why."""


def always(info: ProviderInfo, loopback: Loopback) -> str:
    """The check applies to every program."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check."""

    id: str  #: stable
    summary: str  #: one sentence, what must be true
    run: Callable[[Surroundings], Awaitable[None]]  #: raises Differs, Breach or Skipped
    quick: bool = False  #: part of `--quick`
    #: Why the check does not apply to a program; empty: it does. A check covers only what the plugin declares.
    unless: Callable[[ProviderInfo, Loopback], str] = always


def completed(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer. Raises Differs if the request has failed."""
    if answer["status"] == "completed":
        return answer
    error = answer.get("error", {})
    said = error.get("providerMessage") or ""
    raise Differs(
        f"the request ended as {answer['status']}: {error.get('code')}: {error.get('message')} {said}".strip()
    )


def tool_line(call: tuple[str, Any]) -> str:
    """Return the line of a prompt that makes the model service call a tool."""
    import json

    return f"TOOL:{call[0]} {json.dumps(dict(call[1]))}"
