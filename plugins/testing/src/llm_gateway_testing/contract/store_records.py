"""How a store keeps flight records and tallies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio

from llm_gateway import JobState, Limits, Record, Store, Tally
from llm_gateway_testing.contract.store_samples import ONE, a_job, a_record, a_session, admit_job, at, ended

GLOBAL = ("hour", "0001")
WIDE_OPEN = Limits(running=100, per_provider=100, queued=100)


async def recorded(store: Store, **changes: Any) -> Record:
    """Store the record of an ended turn, counted once under GLOBAL."""
    job = await admit_job(store, a_job(created_at=changes.get("started_at", at(0))))
    record = a_record(job, **changes)
    await store.finish_job(ended(job), owner=job.owner, record=record, counts={GLOBAL: {"turns": 1}})
    return record


class RecordContract:
    """`sibling` is a second handle on the same data, as another gateway has it."""

    async def test_lesson_21_a_record_is_written_when_the_job_ends(self, store: Store) -> None:
        job = await admit_job(store, a_job(session_id=ONE), session=a_session())
        assert list(await store.list_records()) == [], "a running turn has no record yet"
        record = a_record(job)
        await store.finish_job(ended(job), owner=job.owner, record=record)
        assert list(await store.list_records()) == [record]

    async def test_lesson_21_canceling_a_queued_job_writes_a_canceled_record(self, store: Store) -> None:
        await admit_job(store, a_job(session_id=ONE), session=a_session())
        waiting = await admit_job(store, a_job(session_id=ONE), queue_if_busy=True)
        assert await store.cancel_queued(waiting.id, at(7))
        (record,) = await store.list_records()
        assert (record.job_id, record.outcome, record.ended_at) == (waiting.id, "canceled", at(7))

    async def test_a_second_end_changes_neither_record_nor_tally(self, store: Store, sibling: Store) -> None:
        job = await admit_job(store, a_job())
        record = a_record(job)
        await store.finish_job(ended(job), owner=job.owner, record=record, counts={GLOBAL: {"turns": 1}})
        late = replace(record, outcome="failed")
        over = ended(job, JobState.FAILED)
        assert not await sibling.finish_job(over, owner=job.owner, record=late, counts={GLOBAL: {"turns": 1}})
        assert list(await store.list_records()) == [record]
        assert [tally.counts for tally in await tallies(store)] == [{"turns": 1}]

    async def test_tallies_add_up_by_key_provider_and_model(self, store: Store) -> None:
        for number, model in enumerate(("a", "a", "b")):
            job = await admit_job(store, a_job())
            record = a_record(job, model=model, started_at=at(number), ended_at=at(number + 1))
            counts = {GLOBAL: {"turns": 1, f"n{number}": number}, ("session", "x"): {"turns": 1}}
            await store.finish_job(ended(job), owner=job.owner, record=record, counts=counts)
        of_a = Tally(
            key="0001", provider="echo", model="a", first_at=at(1), last_at=at(2), counts={"turns": 2, "n0": 0, "n1": 1}
        )
        of_b = Tally(
            key="0001", provider="echo", model="b", first_at=at(3), last_at=at(3), counts={"turns": 1, "n2": 2}
        )
        assert await tallies(store) == [of_a, of_b]

    async def test_tallies_are_found_between_two_keys(self, store: Store) -> None:
        for key in ("0001", "0003", "0005"):
            job = await admit_job(store, a_job())
            counts = {("hour", key): {"turns": 1}}
            await store.finish_job(ended(job), owner=job.owner, record=a_record(job), counts=counts)
        found = await store.tallies(principal="ada", scope="hour", first="0002", last="0005")
        assert [tally.key for tally in found] == ["0003", "0005"]
        assert [t.key for t in await store.tallies(principal="ada", scope="hour", first="0003")] == ["0003"]

    async def test_a_principal_does_not_see_the_tallies_of_another(self, store: Store) -> None:
        await recorded(store)
        assert await tallies(store, principal="bob") == []
        assert await tallies(store, scope="session") == []

    async def test_four_concurrent_writers_lose_no_turn(self, store: Store, sibling: Store) -> None:
        async def write(handle: Store) -> None:
            for _ in range(25):
                job = await admit_job(handle, a_job(), limits=WIDE_OPEN)
                counts = {GLOBAL: {"turns": 1, "tokens": 3}}
                await handle.finish_job(ended(job), owner=job.owner, record=a_record(job), counts=counts)

        async with anyio.create_task_group() as group:
            for handle in (store, sibling, store, sibling):
                group.start_soon(write, handle)
        assert [tally.counts for tally in await tallies(store)] == [{"turns": 100, "tokens": 300}]

    async def test_earlier_lists_turns_of_the_conversation_then_turns_with_the_prefix(self, store: Store) -> None:
        talk, other = {"session_id": ONE}, {"prefix_sha256": "cd" * 32}
        first = await recorded(store, started_at=at(1), **talk, **other)
        second = await recorded(store, started_at=at(2), **talk)
        alike = await recorded(store, started_at=at(3))
        await recorded(store, started_at=at(4), **other)
        await recorded(store, started_at=at(5), principal="bob")
        await recorded(store, started_at=at(6), provider="other")
        now = replace(second, job_id=a_job().id)
        assert list(await store.earlier(now)) == [second, first, alike]
        assert list(await store.earlier(now, limit=1)) == [second, alike]
        assert list(await store.earlier(second)) == [first, alike], "`earlier` must not return the turn itself"

    async def test_lists_do_not_return_the_text_of_records(self, store: Store) -> None:
        record = await recorded(store, words={"prompt": "long" * 1_000}, kept={"short": 1})
        assert list(await store.list_records()) == [replace(record, words={})]
        assert list(await store.earlier(replace(record, job_id=a_job().id))) == [replace(record, words={})]

    async def test_prune_removes_old_tallies_and_records(self, store: Store) -> None:
        await recorded(store, started_at=at(1), ended_at=at(2))
        await admit_job(store, a_job())
        await store.prune(at(2))
        assert len(await tallies(store)) == 1
        await store.prune(at(3))
        assert (await tallies(store), list(await store.list_records())) == ([], [])


async def tallies(store: Store, principal: str = "ada", scope: str = "hour") -> list[Tally]:
    """All tallies of one scope."""
    return list(await store.tallies(principal=principal, scope=scope, first="", last="~"))
