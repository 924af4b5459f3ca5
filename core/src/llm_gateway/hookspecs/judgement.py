"""Hooks that judge a request, compare the state of its files, annotate a turn and price it."""

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
    """Judge a request before anything is started.

    Called for each request, on every policy. The strictest verdict wins (deny, then ask, then allow), and the lowest posture
    applies: approval never grants more than was requested.

    :param proposal: the request, the posture that it would get, the strategy and strictness that the caller chose.

    None: no opinion. If no policy has an opinion on a strategy other than `legacy`, the request is refused. A policy that raises
    counts as a denial.

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
    """Annotate a turn: warnings for the caller, cache figures, data to store with the record, counters.

    Called twice for each turn, on every plugin, in a worker thread: before the run is admitted (`record.ended_at` is None; only
    `Annotations.notices` are used) and after its end, before the record is stored. Must be linear in the size of the text, and
    must not wait for anything.

    :param gateway: provides settings, environment and `gateway.host.price`.
    :param record: the flight record so far.
    :param earlier: newest first: ended turns of the same conversation, then others with the same prefix; a few of each.
    :param request: the caller's request; None if it is no longer known.
    :param reply: the agent's text; empty before the run.

    None: nothing to add. A scope in `Annotations.counts`, and a name in `Annotations.kept` or `Annotations.words`, belong to one plugin. A plugin that raises is
    logged and skipped.

    Example:
        @hookimpl
        def gateway_annotate(record):
            if record.cost.usd and record.cost.usd > 10:
                return Annotations(notices=(Notice(code="dear", message="This turn cost more than 10 dollars."),))
    """


@hookspec(firstresult=True)
def gateway_tree_state(directories: Sequence[str], budget: Budget) -> str | None:
    """Return the state of a request's files as a digest. A finished answer is reused only in the state that its run left.

    Called in a thread before a run whose answer could be reused, and after its end; the first answer counts. A plugin that
    needs longer than the budget is ignored.

    :param directories: the working directory and the added directories, absolute paths.
    :param budget: the limit of seconds and bytes; `ContentDigest` uses it.

    None: the state is unknown. If no plugin knows it, no finished answer is reused.

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

    Called for each turn without a reported cost, and to compute what a turn would have cost without a cache. Pure.

    :param usage: tokens of this turn alone.
    :param provider: the provider's name.
    :param model: the model that answered; None if it is unknown.

    None: the price is unknown, which is never reported as zero.

    Example:
        @hookimpl
        def gateway_price(usage, provider, model):
            return Cost(usd=0.0, basis=CostBasis.COMPUTED) if provider == "echo" else None
    """
