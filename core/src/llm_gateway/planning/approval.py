"""Step 3: turn the verdicts of all policies into a posture or a denial."""

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
HUMAN = "human"  #: the `policy` of a verdict that a person gave
_MOST_ASKED = 4000  #: characters of one policy's question
_STRICTNESS = list(Decision)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The permission for a request that no policy denies."""

    posture: Posture
    verdict: Verdict | None  #: the verdict that decided; None: no policy gave one


def asked_posture(
    info: ProviderInfo, *, given: Posture | None, spelled: Posture | None, default: Posture | None
) -> Posture:
    """Return the level that the request asks for: `posture`, the provider's own parameter, or the headless default.

    Raises InvalidRequest when the two differ, or when the provider cannot hold the level (naming the nearest lower one).
    """
    if given and spelled and given is not spelled:
        raise InvalidRequest(f"posture says {given.value}, but the provider's own parameter means {spelled.value}")
    return _held(info, given or spelled or default or info.default_posture)


def usual_posture(info: ProviderInfo, strategy: str, configured: Posture | None) -> Posture | None:
    """Return the level of a request that names none; None: the headless default.

    If policies judge the request, it is the provider's `approved_posture`, but not above the configured level or above the levels
    that the provider can hold.
    """
    if strategy == LEGACY:
        return configured
    return _nearest(info, min(info.approved_posture, configured or info.approved_posture))


def repeated_posture(held: Posture | None, usual: Posture | None, strategy: str) -> Posture | None:
    """Return the level of a turn that names none: the first turn's level, but not above the usual level if policies judge.

    :param held: the first turn's level; None: this is the first turn, or the level is unknown.
    :param usual: the result of `usual_posture` for this turn.
    """
    if held is None or (strategy != LEGACY and usual is not None and usual < held):
        return usual
    return held


async def by_human(ask: AskHuman | None, verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the human's verdict if the strictest policy asks for one; None: it is not needed, or there was no answer."""
    question = _asked(verdicts)
    if ask is None or question is None:
        return None
    answer = await ask(question)
    if answer is None:
        return None
    return Verdict(decision=Decision.ALLOW if answer else Decision.DENY, policy=HUMAN, reasons=(_kept(question),))


def answered_before(approved: Mapping[str, Any], verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the human's earlier yes to the same question, from the `approval` object of a job; None: there is none."""
    question = _asked(verdicts)
    if question is None or approved.get("policy") != HUMAN or _kept(question) not in approved.get("reasons", ()):
        return None
    return Verdict(decision=Decision.ALLOW, policy=HUMAN, reasons=(_kept(question),))


def rule(
    info: ProviderInfo, wanted: Posture, strategy: str, verdicts: Sequence[Verdict], human: Verdict | None = None
) -> Ruling:
    """Apply the strictest verdict and the lowest level. Approval never grants more than the request asks for.

    :param human: the answer to the policies' question, from `by_human`.

    Raises ApprovalDenied or ApprovalNeeded with the reasons, InvalidRequest for a strategy that no policy knows.
    """
    if not verdicts:
        if strategy != LEGACY:
            problem = f"no policy is installed for approvalStrategy {strategy!r}"
            raise InvalidRequest(problem, recovery="Install a policy plugin that has it, or leave it out.")
        return Ruling(posture=wanted, verdict=None)
    strictest = max(verdicts, key=lambda verdict: _STRICTNESS.index(verdict.decision))
    if strictest.decision is Decision.ASK:
        if human is None:
            raise ApprovalNeeded(f"policy {strictest.policy} requires a human decision: {_question(strictest)}")
        strictest = human
    if strictest.decision is Decision.DENY:
        denying = [human] if strictest is human else [each for each in verdicts if each.decision is Decision.DENY]
        raise ApprovalDenied(". ".join(_denial(verdict, is_human=verdict is human) for verdict in denying))
    lowest = min([wanted, *(verdict.posture for verdict in verdicts if verdict.posture)])
    return Ruling(posture=_nearest(info, lowest) or _held(info, lowest), verdict=strictest)


def as_wire(strategy: str, ruling: Ruling) -> Mapping[str, Any]:
    """Return the `approval` object of an answer."""
    verdict = ruling.verdict
    judged = {"policy": verdict.policy, "reasons": list(verdict.reasons)} if verdict else {}
    return {"strategy": strategy, "decision": Decision.ALLOW.value, "posture": ruling.posture.value, **judged}


def _denial(verdict: Verdict, *, is_human: bool) -> str:
    who = "the human" if is_human else f"policy {verdict.policy}"
    return f"{who} denied this request: {'; '.join(verdict.reasons) or 'no reason given'}"


def _asked(verdicts: Sequence[Verdict]) -> str | None:
    """Return the questions of all policies that ask, as one text; None: no policy asks, or one denies."""
    asking = [verdict for verdict in verdicts if verdict.decision is not Decision.ALLOW]
    if not asking or any(verdict.decision is Decision.DENY for verdict in asking):
        return None
    return "\n".join(dict.fromkeys(map(_question, asking)))


def _kept(question: str) -> str:
    return f"asked: {question}"


def _question(verdict: Verdict) -> str:
    """Return the question for a human: one line, without characters that could make it appear as something else."""
    return plain(verdict.question or "; ".join(verdict.reasons) or "no reason given", _MOST_ASKED)


def _nearest(info: ProviderInfo, wanted: Posture) -> Posture | None:
    """Return the highest level that the provider can hold and that is not above the wanted one."""
    return max((level for level in info.postures if level <= wanted), default=None, key=lambda level: level.rank)


def _held(info: ProviderInfo, wanted: Posture) -> Posture:
    if (nearest := _nearest(info, wanted)) is wanted:
        return wanted
    recovery = f"The nearest it can hold is {nearest.value}." if nearest else None
    raise InvalidRequest(f"{info.name} cannot hold the posture {wanted.value}", recovery=recovery)
