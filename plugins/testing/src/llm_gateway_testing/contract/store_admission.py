"""What every store must do when a job asks to be let in, and when the next ones are chosen."""

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
    ROOMY,
    STATE,
    TWO,
    a_job,
    a_session,
    at,
    finish,
    let_in,
)

ONE_PLACE = Limits(running=1, per_provider=1, queued=10)


class AdmissionContract:
    """Dedup, limits, order. `sibling` is a second handle on the same data, as another gateway has it."""

    async def test_a_job_that_finds_a_free_place_runs_at_once(self, store: Store) -> None:
        job = a_job(model="m", notices=({"code": "c", "message": "ü \U0001f40d"},))
        admitted = await let_in(store, job)
        assert admitted == replace(job, state=JobState.RUNNING, started_at=job.created_at)
        assert await store.get_job(job.id) == admitted

    async def test_lesson_27_twenty_identical_requests_at_once_become_one_job(self, store: Store) -> None:
        found: list[Admission] = []

        async def ask() -> None:
            job = a_job(dedup_key="k")
            found.append(await store.admit(job, session=None, limits=ROOMY, dedup_window_s=3600, queue_if_busy=False))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask)
        assert len({admission.job.id for admission in found}) == 1
        assert sorted(admission.deduplicated for admission in found) == [False] + [True] * 19
        assert len(await store.unfinished()) == 1

    @pytest.mark.parametrize("difference", [{"dedup_key": "other"}, {"principal": "bob"}, {"dedup_key": None}], ids=str)
    async def test_lesson_25_a_job_that_differs_is_a_job_of_its_own(
        self, store: Store, difference: dict[str, str | None]
    ) -> None:
        first = await let_in(store, a_job(dedup_key="k"))
        second = await let_in(store, a_job(**{"dedup_key": "k", **difference}))
        assert first.id != second.id

    async def test_jobs_without_a_key_are_never_answered_by_each_other(self, store: Store) -> None:
        first, second = await let_in(store, a_job()), await let_in(store, a_job())
        assert first.id != second.id

    async def test_a_finished_answer_is_reused_within_the_window_and_not_after_it(self, store: Store) -> None:
        first = await let_in(store, a_job(dedup_key="k"))
        await finish(store, first)
        assert (await let_in(store, a_job(dedup_key="k", created_at=at(99)), dedup_window_s=100)).id == first.id
        assert (await let_in(store, a_job(dedup_key="k", created_at=at(100)), dedup_window_s=100)).id != first.id

    async def test_a_window_of_zero_turns_dedup_off(self, store: Store) -> None:
        first = await let_in(store, a_job(dedup_key="k"))
        assert (await let_in(store, a_job(dedup_key="k"), dedup_window_s=0)).id != first.id
        assert await store.find_duplicate("ada", "k", STATE, 0, NOON) is None

    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELED, JobState.INTERRUPTED])
    async def test_lesson_26_what_did_not_end_well_is_never_reused(self, store: Store, state: JobState) -> None:
        first = await let_in(store, a_job(dedup_key="k"))
        await finish(store, first, state)
        assert await store.find_duplicate("ada", "k", STATE, 3600, at(61)) is None
        assert (await let_in(store, a_job(dedup_key="k", created_at=at(61)))).id != first.id

    async def test_what_a_clock_that_went_ahead_dated_is_no_duplicate(self, store: Store) -> None:
        first = await let_in(store, a_job(dedup_key="k", created_at=at(3600)))
        await finish(store, first, after_s=3601)
        found = await store.find_duplicate("ada", "k", STATE, 10, at(3595))
        assert found is not None
        assert found.id == first.id
        assert await store.find_duplicate("ada", "k", STATE, 10, at(0)) is None

    async def test_a_duplicate_can_be_asked_for_without_letting_anything_in(self, store: Store) -> None:
        first = await let_in(store, a_job(dedup_key="k"))
        assert await store.find_duplicate("ada", "k", None, 10, at(9)) == first
        assert await store.find_duplicate("bob", "k", None, 10, at(9)) is None
        await finish(store, first, after_s=1)
        assert await store.find_duplicate("ada", "k", STATE, 10, at(9)) == await store.get_job(first.id)
        assert await store.find_duplicate("ada", "k", STATE, 10, at(10)) is None
        assert await store.find_duplicate("bob", "k", STATE, 10, at(9)) is None

    @pytest.mark.parametrize("found", [None, "the files of another day"])
    async def test_what_has_not_ended_is_joined_however_old_it_is_and_whatever_the_files_are(
        self, store: Store, found: str | None
    ) -> None:
        first = await let_in(store, a_job(dedup_key="k", found_state="before"))
        again = a_job(dedup_key="k", found_state=found, created_at=at(100_000))
        assert (await let_in(store, again, dedup_window_s=1)).id == first.id
        assert await store.find_duplicate("ada", "k", found, 1, at(100_000)) == first

    @pytest.mark.parametrize(
        ("left", "found", "reused"),
        [("a", "a", True), ("a", "b", False), (None, "a", False), ("a", None, False), (None, None, False)],
    )
    async def test_lesson_96_a_finished_answer_is_reused_only_in_the_state_that_it_left(
        self, store: Store, left: str | None, found: str | None, reused: bool
    ) -> None:
        first = await let_in(store, a_job(dedup_key="k", found_state="before"))
        await finish(store, first, left=left)
        kept = await store.get_job(first.id)
        assert kept is not None
        assert (kept.found_state, kept.left_state) == ("before", left)
        assert (await store.find_duplicate("ada", "k", found, 3600, at(61)) is not None) is reused
        again = await let_in(store, a_job(dedup_key="k", found_state=found, created_at=at(61)))
        assert (again.id == first.id) is reused

    async def test_of_several_that_answer_the_same_the_youngest_does(self, store: Store) -> None:
        for second in (0, 5, 3):
            job = await let_in(store, a_job(dedup_key="k", created_at=at(second)), dedup_window_s=0)
            await finish(store, job)
        found = await store.find_duplicate("ada", "k", STATE, 3600, at(61))
        assert found is not None
        assert found.created_at == at(5)

    async def test_a_duplicate_is_found_before_the_session_is_busy_or_the_house_is_full(self, store: Store) -> None:
        first = await let_in(store, a_job(dedup_key="k", session_id=ONE), session=a_session())
        full = Limits(running=1, per_provider=1, queued=0)
        assert (await let_in(store, a_job(dedup_key="k", session_id=ONE), full)).id == first.id

    async def test_lesson_16_limits_hold_across_two_handles_on_one_store(self, store: Store, sibling: Store) -> None:
        two = Limits(running=2, per_provider=2, queued=1)
        states = [
            (await let_in(one, a_job(owner=name), two)).state
            for one, name in ((store, "a"), (sibling, "b"), (store, "a"))
        ]
        assert states == [JobState.RUNNING, JobState.RUNNING, JobState.QUEUED]
        with pytest.raises(Saturated):
            await let_in(sibling, a_job(owner="b"), two)

    async def test_lesson_16_what_is_refused_leaves_nothing_behind(self, store: Store) -> None:
        none = Limits(running=0, per_provider=0, queued=0)
        job = a_job(session_id=ONE)
        with pytest.raises(Saturated) as refusal:
            await let_in(store, job, none, session=a_session())
        assert refusal.value.retryable
        assert await store.get_job(job.id) is None
        assert await store.get_session(ONE) is None

    async def test_the_queue_is_first_come_first_served(self, store: Store) -> None:
        jobs = [await let_in(store, a_job(created_at=at(number)), ONE_PLACE) for number in range(4)]
        assert [job.state for job in jobs] == [JobState.RUNNING] + [JobState.QUEUED] * 3
        assert list(await store.claim("gateway-a", ONE_PLACE, at(9))) == []
        for running, following in pairwise(jobs):
            await finish(store, running)
            (claimed,) = await store.claim("gateway-a", ONE_PLACE, at(70))
            assert claimed == replace(following, state=JobState.RUNNING, started_at=at(70))

    async def test_a_newcomer_does_not_overtake_those_who_wait(self, store: Store) -> None:
        running, waiting = [await let_in(store, a_job(), ONE_PLACE) for _ in range(2)]
        await finish(store, running)
        newcomer = await let_in(store, a_job(), ONE_PLACE)
        assert newcomer.state is JobState.QUEUED
        assert [job.id for job in await store.claim("gateway-a", ONE_PLACE, NOON)] == [waiting.id]

    async def test_lesson_17_a_saturated_provider_does_not_hold_up_another(self, store: Store) -> None:
        limits = Limits(running=3, per_provider=1, queued=10)
        for _ in range(3):
            await let_in(store, a_job(provider="slow"), limits)
        assert (await let_in(store, a_job(provider="quick"), limits)).state is JobState.RUNNING
        waiting = await let_in(store, a_job(provider="quick"), limits)
        (running,) = await store.list_jobs(provider="quick", states=[JobState.RUNNING])
        await finish(store, running)
        assert [job.id for job in await store.claim("gateway-a", limits, NOON)] == [waiting.id]

    async def test_a_providers_own_limit_goes_before_the_common_one(self, store: Store) -> None:
        limits = Limits(running=9, per_provider=2, queued=9, own={"narrow": 1, "wide": 3})
        for provider in ("narrow", "wide", "plain"):
            jobs = [await let_in(store, a_job(provider=provider), limits) for _ in range(4)]
            places = limits.of(provider)
            assert [job.state for job in jobs] == [JobState.RUNNING] * places + [JobState.QUEUED] * (4 - places)
        assert list(await store.claim("gateway-a", limits, NOON)) == []
        (running,) = await store.list_jobs(provider="narrow", states=[JobState.RUNNING])
        await finish(store, running)
        assert [job.provider for job in await store.claim("gateway-a", limits, NOON)] == ["narrow"]

    async def test_claim_takes_only_its_own_and_never_overtakes_another_owner(
        self, store: Store, sibling: Store
    ) -> None:
        running = await let_in(store, a_job(), ONE_PLACE)
        older = await let_in(sibling, a_job(owner="gateway-b"), ONE_PLACE)
        mine = await let_in(store, a_job(), ONE_PLACE)
        await finish(store, running)
        wide = Limits(running=5, per_provider=5, queued=5)
        assert list(await store.claim("gateway-a", wide, NOON)) == []
        assert [job.id for job in await sibling.claim("gateway-b", wide, NOON)] == [older.id]
        assert [job.id for job in await store.claim("gateway-a", wide, NOON)] == [mine.id]

    async def test_claim_fills_all_the_room_there_is(self, store: Store) -> None:
        shut = Limits(running=0, per_provider=0, queued=10)
        for provider in ("a", "a", "a", "b", "c"):
            await let_in(store, a_job(provider=provider), shut)
        claimed = await store.claim("gateway-a", Limits(running=3, per_provider=2, queued=10), NOON)
        assert [job.provider for job in claimed] == ["a", "a", "b"]

    async def test_lesson_74_a_session_has_one_turn_at_a_time(self, store: Store, sibling: Store) -> None:
        first = await let_in(store, a_job(session_id=ONE), session=a_session())
        with pytest.raises(SessionBusy):
            await let_in(sibling, a_job(session_id=ONE, owner="gateway-b"))
        assert len(await store.unfinished()) == 1
        await finish(store, first)
        assert (await let_in(sibling, a_job(session_id=ONE, owner="gateway-b"))).state is JobState.RUNNING

    async def test_a_turn_may_queue_behind_the_running_one_and_keeps_its_place(self, store: Store) -> None:
        first = await let_in(store, a_job(session_id=ONE), session=a_session())
        second = await let_in(store, a_job(session_id=ONE), queue_if_busy=True)
        third = await let_in(store, a_job(session_id=ONE), queue_if_busy=True)
        assert (second.state, third.state) == (JobState.QUEUED, JobState.QUEUED)
        assert list(await store.claim("gateway-a", ROOMY, NOON)) == []
        await finish(store, first)
        assert [job.id for job in await store.claim("gateway-a", ROOMY, NOON)] == [second.id]
        await store.finish_job(replace(second, state=JobState.FAILED, ended_at=at(1)), owner="gateway-a", record=None)
        assert [job.id for job in await store.claim("gateway-a", ROOMY, NOON)] == [third.id]

    async def test_a_turn_that_waits_for_its_session_holds_up_nobody_else(self, store: Store) -> None:
        await let_in(store, a_job(session_id=ONE, owner="gateway-b"), session=a_session())
        await let_in(store, a_job(session_id=ONE, owner="gateway-b"), queue_if_busy=True)
        assert (await let_in(store, a_job())).state is JobState.RUNNING
        queued = await let_in(store, a_job(), Limits(running=2, per_provider=2, queued=10))
        assert [job.id for job in await store.claim("gateway-a", ROOMY, NOON)] == [queued.id]

    async def test_a_turn_behind_a_busy_session_counts_in_the_queue(self, store: Store) -> None:
        await let_in(store, a_job(session_id=ONE), session=a_session())
        with pytest.raises(Saturated):
            await let_in(store, a_job(session_id=ONE), Limits(running=5, per_provider=5, queued=0), queue_if_busy=True)

    async def test_a_session_made_before_its_first_turn_learns_with_it_what_to_say_again(self, store: Store) -> None:
        made = a_session(settings={}, native_id=None)
        await store.put_session(made)
        told = replace(made, settings={"model": "m"}, working_dir="/elsewhere")
        first = await let_in(store, a_job(session_id=ONE), session=told)
        assert await store.get_session(ONE) == told
        late = replace(made, settings={"model": "late"})
        with pytest.raises(SessionBusy):
            await let_in(store, a_job(session_id=ONE), session=late)
        await finish(store, first)
        await let_in(store, a_job(session_id=ONE), session=late)
        kept = await store.get_session(ONE)
        assert kept is not None
        assert kept.settings == {"model": "m"}

    async def test_the_session_is_kept_with_the_job_unless_it_is_there(self, store: Store) -> None:
        first = await let_in(store, a_job(session_id=ONE), session=a_session())
        assert await store.get_session(ONE) == a_session()
        await finish(store, first)
        await let_in(store, a_job(session_id=ONE), session=a_session(description="too late"))
        kept = await store.get_session(ONE)
        assert kept is not None
        assert kept.description == a_session().description

    async def test_lesson_74_two_sessions_never_hold_one_conversation(self, store: Store, sibling: Store) -> None:
        native = NativeSessionId("conversation")
        await let_in(store, a_job(session_id=ONE), session=a_session(native_id=native))
        late = a_job(session_id=TWO)
        with pytest.raises(SessionBusy):
            await let_in(sibling, late, session=a_session("two", native_id=native))
        assert await store.get_job(late.id) is None
