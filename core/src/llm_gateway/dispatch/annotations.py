"""What plugins have to say about a turn: warnings before its run and after its end, and what its cached tokens mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from llm_gateway.dispatch.outcome import record_of
from llm_gateway.errors import StoreUnavailable
from llm_gateway.model.invocation import Notice
from llm_gateway.model.job import Job
from llm_gateway.model.record import Counts, Record
from llm_gateway.model.request import Accepted

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway

Earlier = Sequence[Record]
Annotated = tuple[Record, list[Notice], Counts]


async def earlier_turns(gateway: Gateway, job: Job, accepted: Accepted | None) -> Earlier:
    """What the store knows of the turns before this one."""
    try:
        return await gateway.store.earlier(record_of(job, accepted))
    except (StoreUnavailable, OSError):  # it costs the annotations, not the turn
        return ()


def annotate(gateway: Gateway, job: Job, accepted: Accepted | None, earlier: Earlier, reply: str = "") -> Annotated:
    """Ask them all: the record as they complete it, warnings, and what to add up. Blocking."""
    record, request = record_of(job, accepted), accepted.request if accepted else None
    if record.ended_at and (known := gateway.host.account_cache(record.provider, record, earlier)):
        record = replace(record, cache=known)
    notices: list[Notice] = []
    counts: dict[tuple[str, str], Mapping[str, int]] = {}
    for said in gateway.host.annotate(gateway=gateway, record=record, earlier=earlier, request=request, reply=reply):
        kept, words = {**record.kept, **said.kept}, {**record.words, **said.words}
        record = replace(record, cache=said.cache or record.cache, kept=kept, words=words)
        notices += said.notices
        counts |= said.counts
    return record, notices, counts
