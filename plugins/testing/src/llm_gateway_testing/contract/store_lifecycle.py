"""How a store changes a job after its admission: claim, takeover, cancel, end, listing and retention."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest

from llm_gateway import JobId, JobState, Limits, NativeSessionId, Store
from llm_gateway_testing.contract.store_samples import (
    NOON,
    ONE,
    a_job,
    a_record,
    a_session,
    a_verdict,
    admit_job,
    at,
    ended,
    finish,
)

CLOSED = Limits(running=0, per_provider=0, queued=100)


class LifecycleContract:
    """Every change is a compare-and-set; every view of a job shows the same state."""

    async def test_a_final_state_is_kept_as_it_was_written(self, store: Store) -> None:
        job = await admit_job(store, a_job())
        over = replace(ended(job, JobState.FAILED), error_code="timeout")
        assert await store.finish_job(over, owner=job.owner, record=a_record(job)) is True
        assert await store.get_job(job.id) == over
        assert list(await store.list_records()) == [a_record(job)]

    async def test_lesson_3_a_late_writer_never_overwrites_a_final_state(self, store: Store, sibling: Store) -> None:
        job = await admit_job(store, a_job())
        over = ended(job)
        assert await store.finish_job(over, owner=job.owner, record=None)
        late = ended(job, JobState.INTERRUPTED, after_s=99)
        assert not await sibling.finish_job(late, owner=job.owner, record=a_record(job))
        assert await store.get_job(job.id) == over
        assert list(await store.list_records()) == []

    async def test_lesson_3_only_the_owner_writes_the_end(self, store: Store) -> None:
        job = await admit_job(store, a_job(session_id=ONE), session=a_session())
        assert not await store.finish_job(ended(job, native="n"), owner="gateway-b", record=a_record(job))
        assert await store.get_job(job.id) == job
        assert await store.get_session(ONE) == a_session()

    async def test_ending_a_job_with_a_stale_copy_keeps_later_changes(self, store: Store) -> None:
        stale = await admit_job(store, a_job(), CLOSED)
        await store.claim(stale.owner, Limits(running=1, per_provider=1, queued=0), at(5))
        await store.take_over(stale.id, from_owner=stale.owner, to_owner="gateway-b")
        assert await store.finish_job(ended(stale), owner="gateway-b", record=None)
        assert await store.get_job(stale.id) == replace(ended(stale), owner="gateway-b", started_at=at(5))

    async def test_a_job_cannot_end_in_a_state_that_is_not_final(self, store: Store) -> None:
        job = await admit_job(store, a_job())
        with pytest.raises(ValueError, match="has not ended"):
            await store.finish_job(replace(job, ended_at=at(1)), owner=job.owner, record=None)
        with pytest.raises(ValueError, match="has not ended"):
            await store.finish_job(replace(job, state=JobState.FAILED), owner=job.owner, record=None)

    async def test_only_one_of_several_takeovers_succeeds(self, store: Store, sibling: Store) -> None:
        job = await admit_job(store, a_job())
        won: list[str] = []

        async def take(handle: Store, name: str) -> None:
            if await handle.take_over(job.id, from_owner=job.owner, to_owner=name):
                won.append(name)

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(take, (store, sibling)[number % 2], f"gateway-{number}")
        (winner,) = won
        kept = await store.get_job(job.id)
        assert kept is not None
        assert kept.owner == winner
        assert not await store.finish_job(ended(job), owner=job.owner, record=None)
        assert await store.finish_job(ended(job), owner=winner, record=None)
        assert not await store.take_over(job.id, from_owner=winner, to_owner="gateway-z")

    async def test_lesson_9_any_handle_cancels_a_queued_job_and_none_a_running_one(
        self, store: Store, sibling: Store
    ) -> None:
        queued, running = await admit_job(store, a_job(), CLOSED), await admit_job(store, a_job(provider="other"))
        assert await sibling.cancel_queued(queued.id, at(3))
        assert await store.get_job(queued.id) == replace(queued, state=JobState.CANCELED, ended_at=at(3))
        assert not await sibling.cancel_queued(queued.id, at(4))
        assert not await sibling.cancel_queued(running.id, at(4))
        assert not await sibling.cancel_queued(JobId("job-unknown"), at(4))

    async def test_a_job_is_either_canceled_or_claimed_and_never_both(self, store: Store, sibling: Store) -> None:
        jobs = [await admit_job(store, a_job(), CLOSED) for _ in range(12)]
        canceled: set[JobId] = set()
        claimed: set[JobId] = set()

        async def cancel() -> None:
            for job in reversed(jobs):
                if await sibling.cancel_queued(job.id, NOON):
                    canceled.add(job.id)

        async def claim() -> None:
            for slots in range(1, 13):
                limits = Limits(running=slots, per_provider=slots, queued=0)
                claimed.update(job.id for job in await store.claim("gateway-a", limits, NOON))

        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            group.start_soon(claim)
        assert claimed | canceled == {job.id for job in jobs}
        assert not claimed & canceled
        assert {job.id for job in await store.unfinished()} == claimed

    async def test_the_first_fetch_is_stored_once_and_counts_a_turn(self, store: Store) -> None:
        job = await admit_job(store, a_job(session_id=ONE), session=a_session())
        await store.mark_fetched(job.id, at(1))
        assert await store.get_job(job.id) == job, "`mark_fetched` must not change a job that has not ended"
        await finish(store, job)
        await store.mark_fetched(job.id, at(70))
        await store.mark_fetched(job.id, at(80))
        assert await store.get_job(job.id) == replace(ended(job), fetched_at=at(70))
        session = await store.get_session(ONE)
        assert session is not None
        assert session.turns == 1

    async def test_a_failed_job_counts_no_turn(self, store: Store) -> None:
        job = await admit_job(store, a_job(session_id=ONE), session=a_session())
        await finish(store, job, JobState.FAILED)
        await store.mark_fetched(job.id, at(70))
        session = await store.get_session(ONE)
        assert session is not None
        assert session.turns == 0

    async def test_the_native_id_is_bound_once(self, store: Store) -> None:
        for native in ("first", "second"):
            job = await admit_job(store, a_job(session_id=ONE), session=a_session())
            await finish(store, job, native=native, after_s=60)
        bound = a_session(native_id=NativeSessionId("first"), last_used_at=at(60))
        assert await store.get_session(ONE) == bound
        assert await store.find_session("echo", NativeSessionId("first"), "ada") == bound
        assert await store.find_session("echo", NativeSessionId("second"), "ada") is None

    async def test_a_native_id_of_another_session_is_not_bound_and_the_job_still_ends(self, store: Store) -> None:
        await store.put_session(a_session("holder", native_id=NativeSessionId("n")))
        job = await admit_job(store, a_job(session_id=ONE), session=a_session())
        assert await finish(store, job, native="n")
        assert await store.get_session(ONE) == a_session(last_used_at=at(60))
        assert await store.find_session("echo", NativeSessionId("n"), "ada") == a_session(
            "holder", native_id=NativeSessionId("n")
        )

    async def test_a_native_id_of_another_principal_is_not_bound_and_the_job_ends_all_the_same(
        self, store: Store
    ) -> None:
        theirs = a_session("holder", native_id=NativeSessionId("n"), principal="bob")
        await store.put_session(theirs)
        job = await admit_job(store, a_job(session_id=ONE), session=a_session())
        assert await finish(store, job, native="n")
        assert await store.get_session(ONE) == a_session(last_used_at=at(60))
        assert await store.find_session("echo", NativeSessionId("n"), "ada") is None
        assert await store.find_session("echo", NativeSessionId("n"), "bob") == theirs

    async def test_lesson_31_a_late_turn_does_not_restore_a_deleted_session(self, store: Store) -> None:
        job = await admit_job(store, a_job(session_id=ONE), session=a_session())
        await store.delete_session(ONE)
        assert await finish(store, job, native="n")
        await store.mark_fetched(job.id, at(61))
        assert await store.get_session(ONE) is None

    async def test_jobs_are_listed_newest_first_and_filtered(self, store: Store) -> None:
        jobs = [await admit_job(store, a_job(created_at=at(number), provider=f"p{number % 2}")) for number in range(4)]
        bobs = await admit_job(store, a_job(created_at=at(9), principal="bob", session_id=ONE), session=a_session())
        await finish(store, jobs[0])

        async def listed(**filters: Any) -> list[JobId]:
            return [job.id for job in await store.list_jobs(**filters)]

        newest_first = [job.id for job in reversed([*jobs, bobs])]
        assert await listed() == newest_first
        assert await listed(limit=2) == newest_first[:2]
        assert await listed(principal="bob") == [bobs.id]
        assert await listed(session_id=ONE) == [bobs.id]
        assert await listed(principal="ada", session_id=ONE) == []
        assert await listed(provider="p0") == [jobs[2].id, jobs[0].id]
        assert await listed(states=[JobState.COMPLETED]) == [jobs[0].id]
        assert await listed(states=[JobState.RUNNING, JobState.QUEUED], principal="ada") == newest_first[1:4]
        assert await listed(states=[]) == []

    async def test_jobs_are_listed_in_order_of_admission_whatever_their_dates(self, store: Store) -> None:
        jobs = [await admit_job(store, a_job(created_at=at(seconds))) for seconds in (9, 5, 7)]
        assert [job.id for job in await store.list_jobs()] == [job.id for job in reversed(jobs)]

    async def test_unfinished_jobs_of_every_owner_are_listed_oldest_first(self, store: Store, sibling: Store) -> None:
        first = await admit_job(store, a_job())
        second = await admit_job(sibling, a_job(owner="gateway-b"), CLOSED)
        over = await admit_job(store, a_job(provider="other"))
        await finish(store, over)
        assert list(await store.unfinished()) == [first, second]

    async def test_owners_are_those_of_unfinished_jobs_each_once(self, store: Store, sibling: Store) -> None:
        assert list(await store.owners()) == []
        over = await admit_job(store, a_job(owner="gateway-c"))
        for _ in range(2):
            await admit_job(store, a_job())
            await admit_job(sibling, a_job(owner="gateway-b"), CLOSED)
        await finish(store, over)
        assert sorted(await store.owners()) == ["gateway-a", "gateway-b"]
        assert sorted(await sibling.owners()) == ["gateway-a", "gateway-b"]

    async def test_the_place_in_the_queue_counts_queued_jobs_of_every_owner_and_provider(
        self, store: Store, sibling: Store
    ) -> None:
        running = await admit_job(store, a_job())
        first = await admit_job(sibling, a_job(owner="gateway-b"), CLOSED)
        second = await admit_job(store, a_job(provider="other"), CLOSED)
        third = await admit_job(store, a_job(), CLOSED)
        places = [await store.queue_place(job.id) for job in (running, first, second, third)]
        assert places == [None, 1, 2, 3]
        assert await store.cancel_queued(first.id, NOON)
        places = [await store.queue_place(job.id) for job in (first, second, third)]
        assert places == [None, 1, 2]
        assert await store.queue_place(JobId("no-such-job")) is None

    async def test_prune_removes_old_data_in_small_steps_and_never_unfinished_jobs(self, store: Store) -> None:
        limits = Limits(running=10, per_provider=10, queued=0)
        jobs = [await admit_job(store, a_job(), limits) for _ in range(6)]
        for number, job in enumerate(jobs[:5]):
            await store.finish_job(ended(job, after_s=number), owner=job.owner, record=a_record(job))
            await store.add_verdict(a_verdict())
        assert list(await store.prune(at(4), limit=3)) == [job.id for job in jobs[:3]]
        assert [len(await store.list_records()), len(await store.list_verdicts(principal="ada"))] == [2, 2]
        assert list(await store.prune(at(4), limit=3)) == [jobs[3].id]
        assert list(await store.prune(at(4), limit=3)) == []
        assert [job.id for job in await store.list_jobs()] == [jobs[5].id, jobs[4].id]

    async def test_unknown_jobs_are_none_and_change_nothing(self, store: Store) -> None:
        unknown = a_job()
        assert await store.get_job(unknown.id) is None
        assert not await store.finish_job(ended(unknown), owner=unknown.owner, record=a_record(unknown))
        assert not await store.take_over(unknown.id, from_owner=unknown.owner, to_owner="b")
        await store.mark_fetched(unknown.id, NOON)
        assert list(await store.list_records()) == []
