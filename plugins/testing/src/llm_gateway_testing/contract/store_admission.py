"""How a store admits a job, and how it chooses the next jobs from the queue."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import anyio
import pytest

from llm_gateway import Admission, JobState, Limits, NativeSessionId, Store
from llm_gateway.errors import Saturated, SessionBusy
from llm_gateway_testing.contract.store_samples import (
    NOON,
    ONE,
    STATE,
    TWO,
    WIDE,
    a_job,
    a_session,
    admit_job,
    at,
    finish,
)

ONE_SLOT = Limits(running=1, per_provider=1, queued=10)


class AdmissionContract:
    """Deduplication, limits and order. `sibling` is a second handle on the same data, as another gateway has it."""

    async def test_a_job_below_the_limits_runs_at_once(self, store: Store) -> None:
        job = a_job(model="m", notices=({"code": "c", "message": "ü \U0001f40d"},))
        admitted = await admit_job(store, job)
        assert admitted == replace(job, state=JobState.RUNNING, started_at=job.created_at)
        assert await store.get_job(job.id) == admitted

    async def test_lesson_27_twenty_identical_requests_at_once_become_one_job(self, store: Store) -> None:
        found: list[Admission] = []

        async def ask() -> None:
            job = a_job(dedup_key="k")
            found.append(await store.admit(job, session=None, limits=WIDE, dedup_window_s=3600, queue_if_busy=False))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask)
        assert len({admission.job.id for admission in found}) == 1
        assert sorted(admission.deduplicated for admission in found) == [False] + [True] * 19
        assert len(await store.unfinished()) == 1

    @pytest.mark.parametrize("difference", [{"dedup_key": "other"}, {"principal": "bob"}, {"dedup_key": None}], ids=str)
    async def test_lesson_25_a_different_request_becomes_a_new_job(
        self, store: Store, difference: dict[str, str | None]
    ) -> None:
        first = await admit_job(store, a_job(dedup_key="k"))
        second = await admit_job(store, a_job(**{"dedup_key": "k", **difference}))
        assert first.id != second.id

    async def test_jobs_without_a_key_are_never_duplicates(self, store: Store) -> None:
        first, second = await admit_job(store, a_job()), await admit_job(store, a_job())
        assert first.id != second.id

    async def test_a_finished_answer_is_reused_within_the_window_and_not_after_it(self, store: Store) -> None:
        first = await admit_job(store, a_job(dedup_key="k"))
        await finish(store, first)
        assert (await admit_job(store, a_job(dedup_key="k", created_at=at(99)), dedup_window_s=100)).id == first.id
        assert (await admit_job(store, a_job(dedup_key="k", created_at=at(100)), dedup_window_s=100)).id != first.id

    async def test_a_window_of_zero_turns_dedup_off(self, store: Store) -> None:
        first = await admit_job(store, a_job(dedup_key="k"))
        assert (await admit_job(store, a_job(dedup_key="k"), dedup_window_s=0)).id != first.id
        assert await store.find_duplicate("ada", "k", STATE, 0, NOON) is None

    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELED, JobState.INTERRUPTED])
    async def test_lesson_26_an_unsuccessful_job_is_never_reused(self, store: Store, state: JobState) -> None:
        first = await admit_job(store, a_job(dedup_key="k"))
        await finish(store, first, state)
        assert await store.find_duplicate("ada", "k", STATE, 3600, at(61)) is None
        assert (await admit_job(store, a_job(dedup_key="k", created_at=at(61)))).id != first.id

    async def test_a_job_dated_in_the_future_is_no_duplicate(self, store: Store) -> None:
        first = await admit_job(store, a_job(dedup_key="k", created_at=at(3600)))
        await finish(store, first, after_s=3601)
        found = await store.find_duplicate("ada", "k", STATE, 10, at(3595))
        assert found is not None
        assert found.id == first.id
        assert await store.find_duplicate("ada", "k", STATE, 10, at(0)) is None

    async def test_a_duplicate_can_be_found_without_admitting_a_job(self, store: Store) -> None:
        first = await admit_job(store, a_job(dedup_key="k"))
        assert await store.find_duplicate("ada", "k", None, 10, at(9)) == first
        assert await store.find_duplicate("bob", "k", None, 10, at(9)) is None
        await finish(store, first, after_s=1)
        assert await store.find_duplicate("ada", "k", STATE, 10, at(9)) == await store.get_job(first.id)
        assert await store.find_duplicate("ada", "k", STATE, 10, at(10)) is None
        assert await store.find_duplicate("bob", "k", STATE, 10, at(9)) is None

    @pytest.mark.parametrize("found", [None, "the files of another day"])
    async def test_an_unfinished_job_is_joined_at_any_age_and_any_state_of_the_files(
        self, store: Store, found: str | None
    ) -> None:
        first = await admit_job(store, a_job(dedup_key="k", found_state="before"))
        again = a_job(dedup_key="k", found_state=found, created_at=at(100_000))
        assert (await admit_job(store, again, dedup_window_s=1)).id == first.id
        assert await store.find_duplicate("ada", "k", found, 1, at(100_000)) == first

    @pytest.mark.parametrize(
        ("left", "found", "reused"),
        [("a", "a", True), ("a", "b", False), (None, "a", False), ("a", None, False), (None, None, False)],
    )
    async def test_lesson_96_a_finished_answer_is_reused_only_while_the_files_are_unchanged(
        self, store: Store, left: str | None, found: str | None, reused: bool
    ) -> None:
        first = await admit_job(store, a_job(dedup_key="k", found_state="before"))
        await finish(store, first, left=left)
        kept = await store.get_job(first.id)
        assert kept is not None
        assert (kept.found_state, kept.left_state) == ("before", left)
        assert (await store.find_duplicate("ada", "k", found, 3600, at(61)) is not None) is reused
        again = await admit_job(store, a_job(dedup_key="k", found_state=found, created_at=at(61)))
        assert (again.id == first.id) is reused

    async def test_of_several_duplicates_the_newest_is_found(self, store: Store) -> None:
        for second in (0, 5, 3):
            job = await admit_job(store, a_job(dedup_key="k", created_at=at(second)), dedup_window_s=0)
            await finish(store, job)
        found = await store.find_duplicate("ada", "k", STATE, 3600, at(61))
        assert found is not None
        assert found.created_at == at(5)

    async def test_a_duplicate_is_found_before_session_and_limits_are_checked(self, store: Store) -> None:
        first = await admit_job(store, a_job(dedup_key="k", session_id=ONE), session=a_session())
        full = Limits(running=1, per_provider=1, queued=0)
        assert (await admit_job(store, a_job(dedup_key="k", session_id=ONE), full)).id == first.id

    async def test_lesson_16_limits_hold_across_two_handles_on_one_store(self, store: Store, sibling: Store) -> None:
        two = Limits(running=2, per_provider=2, queued=1)
        states = [
            (await admit_job(handle, a_job(owner=name), two)).state
            for handle, name in ((store, "a"), (sibling, "b"), (store, "a"))
        ]
        assert states == [JobState.RUNNING, JobState.RUNNING, JobState.QUEUED]
        with pytest.raises(Saturated):
            await admit_job(sibling, a_job(owner="b"), two)

    async def test_lesson_16_a_refused_job_is_not_stored(self, store: Store) -> None:
        none = Limits(running=0, per_provider=0, queued=0)
        job = a_job(session_id=ONE)
        with pytest.raises(Saturated) as refusal:
            await admit_job(store, job, none, session=a_session())
        assert refusal.value.retryable
        assert await store.get_job(job.id) is None
        assert await store.get_session(ONE) is None

    async def test_the_queue_is_first_come_first_served(self, store: Store) -> None:
        jobs = [await admit_job(store, a_job(created_at=at(number)), ONE_SLOT) for number in range(4)]
        assert [job.state for job in jobs] == [JobState.RUNNING] + [JobState.QUEUED] * 3
        assert list(await store.claim("gateway-a", ONE_SLOT, at(9))) == []
        for running, following in pairwise(jobs):
            await finish(store, running)
            (claimed,) = await store.claim("gateway-a", ONE_SLOT, at(70))
            assert claimed == replace(following, state=JobState.RUNNING, started_at=at(70))

    async def test_a_new_job_does_not_overtake_waiting_jobs(self, store: Store) -> None:
        running, waiting = [await admit_job(store, a_job(), ONE_SLOT) for _ in range(2)]
        await finish(store, running)
        new_job = await admit_job(store, a_job(), ONE_SLOT)
        assert new_job.state is JobState.QUEUED
        assert [job.id for job in await store.claim("gateway-a", ONE_SLOT, NOON)] == [waiting.id]

    async def test_lesson_17_a_saturated_provider_does_not_delay_another(self, store: Store) -> None:
        limits = Limits(running=3, per_provider=1, queued=10)
        for _ in range(3):
            await admit_job(store, a_job(provider="slow"), limits)
        assert (await admit_job(store, a_job(provider="quick"), limits)).state is JobState.RUNNING
        waiting = await admit_job(store, a_job(provider="quick"), limits)
        (running,) = await store.list_jobs(provider="quick", states=[JobState.RUNNING])
        await finish(store, running)
        assert [job.id for job in await store.claim("gateway-a", limits, NOON)] == [waiting.id]

    async def test_a_limit_of_one_provider_replaces_the_common_limit(self, store: Store) -> None:
        limits = Limits(running=9, per_provider=2, queued=9, own={"narrow": 1, "wide": 3})
        for provider in ("narrow", "wide", "plain"):
            jobs = [await admit_job(store, a_job(provider=provider), limits) for _ in range(4)]
            allowed = limits.of(provider)
            assert [job.state for job in jobs] == [JobState.RUNNING] * allowed + [JobState.QUEUED] * (4 - allowed)
        assert list(await store.claim("gateway-a", limits, NOON)) == []
        (running,) = await store.list_jobs(provider="narrow", states=[JobState.RUNNING])
        await finish(store, running)
        assert [job.provider for job in await store.claim("gateway-a", limits, NOON)] == ["narrow"]

    async def test_claim_takes_only_jobs_of_its_owner_and_never_overtakes_another_owner(
        self, store: Store, sibling: Store
    ) -> None:
        running = await admit_job(store, a_job(), ONE_SLOT)
        older = await admit_job(sibling, a_job(owner="gateway-b"), ONE_SLOT)
        mine = await admit_job(store, a_job(), ONE_SLOT)
        await finish(store, running)
        wide = Limits(running=5, per_provider=5, queued=5)
        assert list(await store.claim("gateway-a", wide, NOON)) == []
        assert [job.id for job in await sibling.claim("gateway-b", wide, NOON)] == [older.id]
        assert [job.id for job in await store.claim("gateway-a", wide, NOON)] == [mine.id]

    async def test_claim_fills_every_free_slot(self, store: Store) -> None:
        closed = Limits(running=0, per_provider=0, queued=10)
        for provider in ("a", "a", "a", "b", "c"):
            await admit_job(store, a_job(provider=provider), closed)
        claimed = await store.claim("gateway-a", Limits(running=3, per_provider=2, queued=10), NOON)
        assert [job.provider for job in claimed] == ["a", "a", "b"]

    async def test_lesson_74_a_session_has_one_turn_at_a_time(self, store: Store, sibling: Store) -> None:
        first = await admit_job(store, a_job(session_id=ONE), session=a_session())
        with pytest.raises(SessionBusy):
            await admit_job(sibling, a_job(session_id=ONE, owner="gateway-b"))
        assert len(await store.unfinished()) == 1
        await finish(store, first)
        assert (await admit_job(sibling, a_job(session_id=ONE, owner="gateway-b"))).state is JobState.RUNNING

    async def test_a_turn_may_queue_behind_the_running_one_and_keeps_its_position(self, store: Store) -> None:
        first = await admit_job(store, a_job(session_id=ONE), session=a_session())
        second = await admit_job(store, a_job(session_id=ONE), queue_if_busy=True)
        third = await admit_job(store, a_job(session_id=ONE), queue_if_busy=True)
        assert (second.state, third.state) == (JobState.QUEUED, JobState.QUEUED)
        assert list(await store.claim("gateway-a", WIDE, NOON)) == []
        await finish(store, first)
        assert [job.id for job in await store.claim("gateway-a", WIDE, NOON)] == [second.id]
        await store.finish_job(replace(second, state=JobState.FAILED, ended_at=at(1)), owner="gateway-a", record=None)
        assert [job.id for job in await store.claim("gateway-a", WIDE, NOON)] == [third.id]

    async def test_a_turn_that_waits_for_its_session_delays_no_other_job(self, store: Store) -> None:
        await admit_job(store, a_job(session_id=ONE, owner="gateway-b"), session=a_session())
        await admit_job(store, a_job(session_id=ONE, owner="gateway-b"), queue_if_busy=True)
        assert (await admit_job(store, a_job())).state is JobState.RUNNING
        queued = await admit_job(store, a_job(), Limits(running=2, per_provider=2, queued=10))
        assert [job.id for job in await store.claim("gateway-a", WIDE, NOON)] == [queued.id]

    async def test_a_turn_behind_a_busy_session_counts_in_the_queue(self, store: Store) -> None:
        await admit_job(store, a_job(session_id=ONE), session=a_session())
        with pytest.raises(Saturated):
            await admit_job(
                store, a_job(session_id=ONE), Limits(running=5, per_provider=5, queued=0), queue_if_busy=True
            )

    async def test_a_session_without_turns_takes_the_settings_of_its_first_turn(self, store: Store) -> None:
        made = a_session(settings={}, native_id=None)
        await store.put_session(made)
        first_turn = replace(made, settings={"model": "m"}, working_dir="/elsewhere")
        first = await admit_job(store, a_job(session_id=ONE), session=first_turn)
        assert await store.get_session(ONE) == first_turn
        late = replace(made, settings={"model": "late"})
        with pytest.raises(SessionBusy):
            await admit_job(store, a_job(session_id=ONE), session=late)
        await finish(store, first)
        await admit_job(store, a_job(session_id=ONE), session=late)
        kept = await store.get_session(ONE)
        assert kept is not None
        assert kept.settings == {"model": "m"}

    async def test_admission_stores_the_session_unless_it_exists(self, store: Store) -> None:
        first = await admit_job(store, a_job(session_id=ONE), session=a_session())
        assert await store.get_session(ONE) == a_session()
        await finish(store, first)
        await admit_job(store, a_job(session_id=ONE), session=a_session(description="too late"))
        kept = await store.get_session(ONE)
        assert kept is not None
        assert kept.description == a_session().description

    async def test_lesson_74_two_sessions_never_have_the_same_conversation(self, store: Store, sibling: Store) -> None:
        native = NativeSessionId("conversation")
        await admit_job(store, a_job(session_id=ONE), session=a_session(native_id=native))
        late = a_job(session_id=TWO)
        with pytest.raises(SessionBusy):
            await admit_job(sibling, late, session=a_session("two", native_id=native))
        assert await store.get_job(late.id) is None
