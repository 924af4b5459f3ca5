"""Hooks that judge a request, know it again, Annotate a turn and price it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_gateway.hookspecs.marks import hookspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llm_gateway.digests import Budget
    from llm_gateway.model.gateway_api import GatewayApi
    from llm_gateway.model.record import Annotations, Record, Verdict
    from llm_gateway.model.request import Proposal, Request
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


@hookspec
def gateway_annotate(
    gateway: GatewayApi, record: Record, earlier: Sequence[Record], request: Request | None, reply: str
) -> Annotations | None:
    """Annotate a turn: warnings for its caller, what is known of its cache, what to keep with its record, what to add up.

    Called twice for each turn, of every plugin, in a worker thread: before the run is admitted (`record.ended_at` is None; only
    `Annotations.notices` are used) and after its end, before the record is stored. Linear in the words; waits for nothing.

    :param gateway: for its settings, its environment and `gateway.host.price`.
    :param record: the flight record as it is known so far.
    :param earlier: newest first: ended turns of the same conversation, then others with the same prefix; a few of each.
    :param request: what the caller asked; None when that is not known any more.
    :param reply: the agent's words; empty before the run.

    None: nothing to say. A scope in `Annotations.counts`, and a name in `Annotations.kept` or `Annotations.words`, belong to one plugin. A plugin that raises is
    logged and skipped.

    Example:
        @hookimpl
        def gateway_annotate(record):
            if record.cost.usd and record.cost.usd > 10:
                return Annotations(notices=(Notice(code="dear", message="This turn cost more than 10 dollars."),))
    """


@hookspec(firstresult=True)
def gateway_tree_state(directories: Sequence[str], budget: Budget) -> str | None:
    """Say in what state the files are that a request is about: it gets a finished answer only in the state which that left.

    Called in a thread before a run that could be answered so, and after its end; the first answer holds. Whoever takes longer
    than the budget is not waited for.

    :param directories: the working directory and those added to it, absolute paths.
    :param budget: what looking may cost; `ContentDigest` spends it.

    None: it cannot be told. If nobody can tell, no finished answer is reused.

    Example:
        @hookimpl
        def gateway_tree_state(directories, budget):
            digest = ContentDigest(budget)
            digest.add_path(os.path.join(directories[0], "data.csv"))
            return digest.hexdigest()
    """


@hookspec(firstresult=True)
def gateway_price(usage: Usage, provider: str, model: str | None) -> Cost | None:
    """Price tokens.

    Called for each turn without a reported cost, and to say what a turn would have cost without a cache. Pure.

    :param usage: tokens of this turn alone.
    :param provider: the provider's name.
    :param model: the model that answered; None when it is not known.

    None: the price is not known, which is never reported as zero.

    Example:
        @hookimpl
        def gateway_price(usage, provider, model):
            return Cost(usd=0.0, basis=CostBasis.COMPUTED) if provider == "echo" else None
    """
