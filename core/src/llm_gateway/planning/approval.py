"""Step 3: the verdicts of all policies become a posture, or a denial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_gateway.errors import ApprovalDenied, ApprovalNeeded, InvalidRequest
from llm_gateway.model.operation import AskHuman
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.record import Decision, Verdict
from llm_gateway.quoting import plain

LEGACY = "legacy"
HUMAN = "human"  #: who judged, when a person was asked
_MOST_ASKED = 4000  #: characters of one policy's question
_STRICTNESS = list(Decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a request may do, when nobody stands against it."""

    posture: Posture
    verdict: Verdict | None  #: the one that decided; None: nobody had an opinion


def asked_posture(
    info: ProviderInfo, *, given: Posture | None, spelled: Posture | None, default: Posture | None
) -> Posture:
    """The level that the request asks for: its own, the provider's spelling of it, or the headless default.

    Raises InvalidRequest when the two differ, or when the provider cannot hold the level (naming the nearest lower one).
    """
    if given and spelled and given is not spelled:
        raise InvalidRequest(f"posture says {given.value}, but the provider's own parameter means {spelled.value}")
    return _held(info, given or spelled or default or info.default_posture)


def usual_posture(info: ProviderInfo, strategy: str, configured: Posture | None) -> Posture | None:
    """The level of a request that names none, if it is not the headless default.

    Where policies judge, that is what the provider says, as far as the configured level and its own reach.
    """
    if strategy == LEGACY:
        return configured
    return _nearest(info, min(info.approved_posture, configured or info.approved_posture))


def repeated_posture(held: Posture | None, usual: Posture | None, strategy: str) -> Posture | None:
    """The level of a turn that names none: that of the conversation's first turn, as far as this turn's strategy gives it unasked.

    :param held: the first turn's; None: there is none yet, or it is not known.
    :param usual: what `usual_posture` says of this turn.
    """
    if held is None or (strategy != LEGACY and usual is not None and usual < held):
        return usual
    return held


async def by_human(ask: AskHuman | None, verdicts: Sequence[Verdict]) -> Verdict | None:
    """The human's verdict, where the strictest of the policies asks for one; None: not needed, or nobody answered."""
    question = _asked(verdicts)
    if ask is None or question is None:
        return None
    answer = await ask(question)
    if answer is None:
        return None
    return Verdict(decision=Decision.ALLOW if answer else Decision.DENY, policy=HUMAN, reasons=(_kept(question),))


def answered_before(approved: Mapping[str, Any], verdicts: Sequence[Verdict]) -> Verdict | None:
    """The human's yes to the very question that policies ask now, from an `approval` object of before; None: there was none."""
    question = _asked(verdicts)
    if question is None or approved.get("policy") != HUMAN or _kept(question) not in approved.get("reasons", ()):
        return None
    return Verdict(decision=Decision.ALLOW, policy=HUMAN, reasons=(_kept(question),))


def rule(
    info: ProviderInfo, wanted: Posture, strategy: str, verdicts: Sequence[Verdict], human: Verdict | None = None
) -> Ruling:
    """Let the strictest verdict win and the lowest level hold; approval never grants more than was asked.

    :param human: the answer to what policies ask, as `by_human` gives it.

    Raises ApprovalDenied or ApprovalNeeded with the reasons, InvalidRequest for a strategy of which no policy knows.
    """
    if not verdicts:
        if strategy != LEGACY:
            problem = f"no policy is installed for approvalStrategy {strategy!r}"
            raise InvalidRequest(problem, recovery="Install a policy plugin that brings it, or leave it out.")
        return Ruling(posture=wanted, verdict=None)
    strictest = max(verdicts, key=lambda verdict: _STRICTNESS.index(verdict.decision))
    if strictest.decision is Decision.ASK:
        if human is None:
            raise ApprovalNeeded(f"policy {strictest.policy} wants a human to decide: {_question(strictest)}")
        strictest = human
    if strictest.decision is Decision.DENY:
        denying = [human] if strictest is human else [one for one in verdicts if one.decision is Decision.DENY]
        raise ApprovalDenied(". ".join(_denial(one, is_human=one is human) for one in denying))
    lowest = min([wanted, *(verdict.posture for verdict in verdicts if verdict.posture)])
    return Ruling(posture=_nearest(info, lowest) or _held(info, lowest), verdict=strictest)


def as_wire(strategy: str, ruling: Ruling) -> Mapping[str, Any]:
    """The `approval` object of an answer."""
    judged = {"policy": one.policy, "reasons": list(one.reasons)} if (one := ruling.verdict) else {}
    return {"strategy": strategy, "decision": Decision.ALLOW.value, "posture": ruling.posture.value, **judged}


def _denial(verdict: Verdict, *, is_human: bool) -> str:
    who = "the human" if is_human else f"policy {verdict.policy}"
    return f"{who} denied this request: {'; '.join(verdict.reasons) or 'no reason given'}"


def _asked(verdicts: Sequence[Verdict]) -> str | None:
    """The question of all who ask; None: nobody does, or somebody denies."""
    asking = [verdict for verdict in verdicts if verdict.decision is not Decision.ALLOW]
    if not asking or any(verdict.decision is Decision.DENY for verdict in asking):
        return None
    return "\n".join(dict.fromkeys(map(_question, asking)))


def _kept(question: str) -> str:
    return f"asked: {question}"


def _question(verdict: Verdict) -> str:
    """What a human is asked: one line, without characters that could make it look like something else."""
    return plain(verdict.question or "; ".join(verdict.reasons) or "no reason given", _MOST_ASKED)


def _nearest(info: ProviderInfo, wanted: Posture) -> Posture | None:
    """The highest level it can hold that is not above the wanted one."""
    return max((level for level in info.postures if level <= wanted), default=None, key=lambda level: level.rank)


def _held(info: ProviderInfo, wanted: Posture) -> Posture:
    if (nearest := _nearest(info, wanted)) is wanted:
        return wanted
    recovery = f"The nearest it can hold is {nearest.value}." if nearest else None
    raise InvalidRequest(f"{info.name} cannot hold the posture {wanted.value}", recovery=recovery)
