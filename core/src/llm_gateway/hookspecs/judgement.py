"""Hooks that judge a request and price a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_gateway.hookspecs.marks import hookspec

if TYPE_CHECKING:
    from llm_gateway.model.record import Verdict
    from llm_gateway.model.request import Proposal
    from llm_gateway.model.usage import Cost, Usage


@hookspec
def gateway_approve(proposal: Proposal) -> Verdict | None:
    """Judge a request before anything is launched.

    Called for each request, of every policy. The strictest verdict wins (deny, then ask, then allow), the lowest posture holds:
    approval never grants more than was asked.

    :param proposal: the request, the posture it would get, the strategy and strictness that the caller chose.

    None: no opinion. A strategy other than `legacy` of which no policy has an opinion is refused. A policy that raises counts as
    a denial.

    Example:
        @hookimpl
        def gateway_approve(proposal):
            if proposal.posture is Posture.BYPASS:
                return Verdict(decision=Decision.DENY, policy="house", reasons=("Nobody runs unattended here.",))
    """


@hookspec(firstresult=True)
def gateway_price(usage: Usage, provider: str, model: str | None) -> Cost | None:
    """Price a turn whose CLI reported no cost.

    Called for each turn without a reported cost. Pure.

    :param usage: tokens of this turn alone.
    :param provider: the provider's name.
    :param model: the model that answered; None when it is not known.

    None: the price is not known, which is never reported as zero.

    Example:
        @hookimpl
        def gateway_price(usage, provider, model):
            return Cost(usd=0.0, basis=CostBasis.COMPUTED) if provider == "echo" else None
    """
