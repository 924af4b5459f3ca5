"""Annotations that plugins add to a turn: warnings before and after its run, and the meaning of its cached tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llm_gateway.errors import StoreUnavailable
from llm_gateway.jobs.outcome import record_of
from llm_gateway.model.invocation import Notice
from llm_gateway.model.job import Job
from llm_gateway.model.record import Annotations, Counts, Record
from llm_gateway.model.request import Accepted
from llm_gateway.model.store import Store

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost

Earlier = Sequence[Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """A turn's record as the plugins completed it, with their warnings and their tallies."""

    record: Record
    notices: tuple[Notice, ...]
    counts: Counts


class Annotator:
    """Asks the plugins about turns.

    :param annotate: calls the hook `gateway_annotate` of every plugin, with the parameters of the turn.
    """

    def __init__(self, store: Store, host: PluginHost, annotate: Callable[..., Sequence[Annotations]]) -> None:
        self._store = store
        self._host = host
        self._annotate = annotate

    async def earlier_turns(self, job: Job, accepted: Accepted | None) -> Earlier:
        """Return the store's records of the turns before this one; none if the store cannot be read."""
        try:
            return await self._store.earlier(record_of(job, accepted))
        except (StoreUnavailable, OSError):  # the turn continues without annotations
            return ()

    def annotate(self, job: Job, accepted: Accepted | None, earlier: Earlier, reply: str = "") -> Annotated:
        """Collect the annotations of every plugin. Blocking."""
        record, request = record_of(job, accepted), accepted.request if accepted else None
        if record.ended_at:
            known = self._host.account_cache(record.provider, record, earlier)
            record = replace(record, cache=known or record.cache)
        notices: list[Notice] = []
        counts: dict[tuple[str, str], Mapping[str, int]] = {}
        for added in self._annotate(record=record, earlier=earlier, request=request, reply=reply):
            kept, words = {**record.kept, **added.kept}, {**record.words, **added.words}
            record = replace(record, cache=added.cache or record.cache, kept=kept, words=words)
            notices += added.notices
            counts.update(added.counts)
        return Annotated(record=record, notices=tuple(notices), counts=counts)
