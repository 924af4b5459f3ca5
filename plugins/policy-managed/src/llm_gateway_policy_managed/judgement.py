"""From the rules that apply to one verdict: the gravest consequence decides."""

from __future__ import annotations

from collections.abc import Iterable

from llm_gateway import Decision, Posture, Proposal, Verdict, quoted
from llm_gateway_policy_managed.rules import RULES, Consequence, Rule

POLICY = "managed"
#: What a run keeps that is allowed, but only to look: whatever would ask a human is denied.
LOWERED_TO = Posture.PROMPTED

_MAX_SHOWN = 10  #: values of one rule that are shown

_DECISIONS = {
    Consequence.ALLOW: Decision.ALLOW,
    Consequence.LOWER: Decision.ALLOW,
    Consequence.ASK: Decision.ASK,
    Consequence.DENY: Decision.DENY,
}


def judge(proposal: Proposal) -> Verdict:
    """Judge a proposal by every rule. The text of the prompt is ignored, because any filter of words can be evaded."""
    applying = [(rule, found) for rule in RULES if (found := list(dict.fromkeys(rule.finds(proposal))))]
    gravest = max((rule.at(proposal.strictness) for rule, _ in applying), default=Consequence.ALLOW)
    deciding = [(rule, found) for rule, found in applying if rule.at(proposal.strictness) is gravest]
    lowered = any(rule.at(proposal.strictness) is Consequence.LOWER for rule, _ in applying)
    reasons = [_sentence(rule, found) for rule, found in deciding]
    if gravest is Consequence.LOWER:
        reasons.append(f"so it gets no more than the posture {LOWERED_TO.value}")
    if not reasons:
        reasons = ["no rule speaks against it"]
    return Verdict(
        decision=_DECISIONS[gravest],
        policy=POLICY,
        reasons=tuple(reasons),
        posture=min(LOWERED_TO, proposal.posture) if lowered else None,
        question=_question(proposal, reasons) if gravest is Consequence.ASK else None,
    )


def _sentence(rule: Rule, found: Iterable[str]) -> str:
    shown = [quoted(value) for value in found]
    more = f" and {len(shown) - _MAX_SHOWN} more" if len(shown) > _MAX_SHOWN else ""
    return rule.reason.format(found=", ".join(shown[:_MAX_SHOWN]) + more)


def _question(proposal: Proposal, reasons: Iterable[str]) -> str:
    """What a person needs to know to decide; never the prompt, which would be kept with the verdict and may flatter."""
    request = proposal.request
    what = f"Let {request.provider} run in {quoted(request.working_dir)} with the posture {proposal.posture.value}?"
    return f"{what} {'; '.join(reasons)}."
