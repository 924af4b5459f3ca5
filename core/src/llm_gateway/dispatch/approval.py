"""Step 3: the verdicts of all policies become a posture, or a denial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_gateway.errors import ApprovalDenied, ApprovalNeeded, InvalidRequest
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.record import Decision, Verdict

LEGACY = "legacy"
_STRICTNESS = list(Decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a request may do, when nobody stands against it."""

    posture: Posture
    verdict: Verdict | None  #: the one that decided; None: nobody had an opinion


def asked_posture(
    info: ProviderInfo, *, given: Posture | None, spelled: Posture | None, default: Posture | None
) -> Posture:
    """The rung that the request asks for: its own, the provider's spelling of it, or the headless default.

    Raises InvalidRequest when the two differ, or when the provider cannot hold the rung (naming the nearest lower one).
    """
    if given and spelled and given is not spelled:
        raise InvalidRequest(f"posture says {given.value}, but the provider's own parameter means {spelled.value}")
    return _held(info, given or spelled or default or info.default_posture)


def rule(info: ProviderInfo, wanted: Posture, strategy: str, verdicts: Sequence[Verdict]) -> Ruling:
    """Let the strictest verdict win and the lowest rung hold; approval never grants more than was asked.

    Raises ApprovalDenied or ApprovalNeeded with the reasons, InvalidRequest for a strategy of which no policy knows.
    """
    if not verdicts:
        if strategy != LEGACY:
            raise InvalidRequest(
                f"no policy is installed for approvalStrategy {strategy!r}",
                recovery="Install a policy plugin that brings it, or leave it out.",
            )
        return Ruling(posture=wanted, verdict=None)
    strictest = max(verdicts, key=lambda verdict: _STRICTNESS.index(verdict.decision))
    reasons = "; ".join(strictest.reasons) or "no reason given"
    if strictest.decision is Decision.DENY:
        raise ApprovalDenied(f"policy {strictest.policy} denied this request: {reasons}")
    if strictest.decision is Decision.ASK:
        raise ApprovalNeeded(f"policy {strictest.policy} wants a human to decide: {strictest.question or reasons}")
    lowest = min([wanted, *(verdict.posture for verdict in verdicts if verdict.posture)])
    posture = _held(info, lowest, why=f"policy {strictest.policy} lowers the posture, and ")
    return Ruling(posture=posture, verdict=strictest)


def as_wire(strategy: str, ruling: Ruling) -> Mapping[str, Any]:
    """The `approval` object of an answer."""
    wire: dict[str, Any] = {"strategy": strategy, "decision": Decision.ALLOW.value, "posture": ruling.posture.value}
    if ruling.verdict:
        wire["policy"] = ruling.verdict.policy
        wire["reasons"] = list(ruling.verdict.reasons)
    return wire


def _held(info: ProviderInfo, wanted: Posture, *, why: str = "") -> Posture:
    if wanted in info.postures:
        return wanted
    lower = [rung.value for rung in sorted(info.postures, key=lambda rung: rung.rank) if rung < wanted]
    raise InvalidRequest(
        f"{why}{info.name} cannot hold the posture {wanted.value}",
        recovery=f"The nearest it can hold is {lower[-1]}." if lower else None,
    )
