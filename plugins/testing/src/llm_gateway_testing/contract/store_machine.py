"""Two stores get the same random calls: both must return the same results, and no limit may be exceeded."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from llm_gateway import Job, JobState, Limits, SessionId, Store
from llm_gateway.errors import GatewayError
from llm_gateway_testing.contract.store_samples import a_job, a_record, a_session, at, ended

LIMITS = Limits(running=3, per_provider=2, queued=4)

owners = st.sampled_from(["gateway-a", "gateway-b"])
numbers = st.integers(0, 9)
rightful_owner = st.sampled_from([True, True, True, False])
sessions = st.sampled_from([None, None, "gw-one", "gw-two"])
native_ids = st.sampled_from([None, "n1", "n2"])
files = st.sampled_from([None, "as they were", "changed"])
ends = st.sampled_from([JobState.COMPLETED, *(state for state in JobState if state.ended)])


class TwinStores(RuleBasedStateMachine):
    """A hypothesis state machine that calls two stores and compares their results.

    class MyTwins(TwinStores):
        def open_stores(self):
            return MemoryStore(), MyStore(...)

    MyTwins.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None, database=None)
    TestMyTwins = MyTwins.TestCase             # pytest collects `.TestCase`, not the class itself
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stores = self.open_stores()
        self.jobs: list[Job] = []
        self.seconds = 0.0
        for store in self.stores:
            self.loop.run_until_complete(store.aopen())

    @abstractmethod
    def open_stores(self) -> tuple[Store, Store]:
        """Return two empty stores that are not open yet."""

    def teardown(self) -> None:
        for store in self.stores:
            self.loop.run_until_complete(store.aclose())
        self.loop.close()

    def same(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the method on both stores. Return the result, or the class of the error, which must be the same."""
        first, second = (
            self.loop.run_until_complete(_outcome(getattr(store, method)(*arguments, **named))) for store in self.stores
        )
        assert first == second, (
            f"the stores returned different results of `{method}`:\n  {type(self.stores[0]).__name__}: {first!r}\n"
            f"  {type(self.stores[1]).__name__}: {second!r}"
        )
        return first

    def some_job(self, number: int) -> Job:
        return self.jobs[-1 - number % len(self.jobs)]

    @rule(seconds=st.sampled_from([0.5, 5]))
    def time_passes(self, seconds: float) -> None:
        self.seconds += seconds

    @rule(
        owner=owners,
        provider=st.sampled_from(["echo", "other"]),
        principal=st.sampled_from(["ada", "ada", "ada", "bob"]),
        key=st.sampled_from([None, None, None, "k1", "k2"]),
        found=files,
        session_id=sessions,
        queue=st.booleans(),
        known=st.booleans(),
    )
    def admit(
        self,
        owner: str,
        provider: str,
        principal: str,
        key: str | None,
        found: str | None,
        session_id: str | None,
        queue: bool,
        known: bool,
    ) -> None:
        job = a_job(
            owner=owner,
            provider=provider,
            principal=principal,
            dedup_key=key,
            found_state=found,
            session_id=session_id,
            created_at=at(self.seconds),
        )
        session = None if session_id is None or known else replace(a_session(), id=SessionId(session_id))
        answer = self.same("admit", job, session=session, limits=LIMITS, dedup_window_s=10, queue_if_busy=queue)
        if not isinstance(answer, type):
            self.jobs.append(answer.job)

    @rule(owner=owners)
    def claim(self, owner: str) -> None:
        for job in self.same("claim", owner, LIMITS, at(self.seconds)):
            assert job.state is JobState.RUNNING
            assert job.owner == owner

    @precondition(lambda self: self.jobs)
    @rule(number=numbers, rightful=rightful_owner, state=ends, native=native_ids, left=files)
    def finish(self, number: int, rightful: bool, state: JobState, native: str | None, left: str | None) -> None:
        job = self.same("get_job", self.some_job(number).id) or self.some_job(number)
        over = ended(job, state, after_s=self.seconds, native=native, left=left)
        self.same("finish_job", over, owner=job.owner if rightful else "gateway-z", record=a_record(job))

    @precondition(lambda self: self.jobs)
    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        self.same("cancel_queued", self.some_job(number).id, at(self.seconds))

    @precondition(lambda self: self.jobs)
    @rule(number=numbers, from_owner=owners, to_owner=owners)
    def take_over(self, number: int, from_owner: str, to_owner: str) -> None:
        self.same("take_over", self.some_job(number).id, from_owner=from_owner, to_owner=to_owner)

    @precondition(lambda self: self.jobs)
    @rule(number=numbers)
    def fetch(self, number: int) -> None:
        self.same("mark_fetched", self.some_job(number).id, at(self.seconds))

    @rule(age=st.sampled_from([0, 10]))
    def prune(self, age: float) -> None:
        first, second = (self.loop.run_until_complete(store.prune(at(self.seconds - age))) for store in self.stores)
        assert set(first) == set(second)

    @rule(session_id=st.sampled_from(["gw-one", "gw-two"]))
    def forget(self, session_id: str) -> None:
        self.same("delete_session", session_id)

    @invariant()
    def both_have_the_same_content(self) -> None:
        self.same("list_jobs")
        self.same("list_records")
        for session_id in ("gw-one", "gw-two"):
            self.same("get_session", session_id)

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        jobs = self.same("unfinished")
        owners = [set(self.loop.run_until_complete(store.owners())) for store in self.stores]
        assert owners[0] == owners[1] == {job.owner for job in jobs}
        queue = [job.id for job in jobs if job.state is JobState.QUEUED]
        assert [self.same("queue_place", job_id) for job_id in queue] == list(range(1, len(queue) + 1))
        running = [job for job in jobs if job.state is JobState.RUNNING]
        assert len(running) <= LIMITS.running, "more jobs run than `Limits.running` allows"
        assert len(jobs) - len(running) <= LIMITS.queued, "more jobs wait than `Limits.queued` allows"
        for provider, number in Counter(job.provider for job in running).items():
            assert number <= LIMITS.per_provider, f"more jobs of {provider} run than `Limits.per_provider` allows"
        turns = Counter(job.session_id for job in running if job.session_id is not None)
        assert all(number == 1 for number in turns.values()), "two turns of one session run at the same time"


async def _outcome(call: Coroutine[Any, Any, Any]) -> Any:
    try:
        answer = await call
    except GatewayError as error:
        return type(error)
    return list(answer) if isinstance(answer, list | tuple) else answer
