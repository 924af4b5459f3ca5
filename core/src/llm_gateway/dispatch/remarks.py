"""What plugins have to say about a turn: warnings before its run and after its end, and what its cached tokens mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from anyio import to_thread

from llm_gateway.errors import StoreUnavailable
from llm_gateway.model.invocation import Notice
from llm_gateway.model.record import Counts, Record
from llm_gateway.model.request import Request

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway

Remarked = tuple[Record, tuple[Notice, ...], Counts]


async def remark(gateway: Gateway, record: Record, request: Request | None, reply: str = "") -> Remarked:
    """Ask them all: the record as they complete it, warnings, and what to add up."""
    try:
        earlier = await gateway.store.earlier(record)
    except (StoreUnavailable, OSError):  # it costs the remarks, not the turn
        earlier = ()
    return await to_thread.run_sync(_ask, gateway, record, earlier, request, reply)


def _ask(gateway: Gateway, record: Record, earlier: Sequence[Record], request: Request | None, reply: str) -> Remarked:
    if record.ended_at and (known := gateway.host.account_cache(record.provider, record, earlier)):
        record = replace(record, cache=known)
    notices: list[Notice] = []
    counts: dict[tuple[str, str], Mapping[str, int]] = {}
    for said in gateway.host.remark(gateway=gateway, record=record, earlier=earlier, request=request, reply=reply):
        kept, words = {**record.kept, **said.kept}, {**record.words, **said.words}
        record = replace(record, cache=said.cache or record.cache, kept=kept, words=words)
        notices += said.notices
        counts |= said.counts
    return record, tuple(notices), counts
