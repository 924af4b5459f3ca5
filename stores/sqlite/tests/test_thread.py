"""The owner thread: one call after the other, and no caller is left in doubt."""

from __future__ import annotations

import threading

import anyio
import anyio.lowlevel
import pytest

from llm_gateway.errors import StoreUnavailable
from llm_gateway_store_sqlite.thread import Blocked, OwnerThread


def test_calls_run_in_order_in_one_thread_that_is_not_the_callers() -> None:
    async def main() -> None:
        owner = OwnerThread("owner")
        owner.start()
        owner.start()
        seen: list[tuple[int, int]] = []
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(owner.run, lambda number=number: seen.append((number, threading.get_ident())))
        await owner.aclose(lambda: None)
        assert [number for number, _ in seen] == list(range(50))
        assert len({thread for _, thread in seen}) == 1
        assert seen[0][1] != threading.get_ident()

    anyio.run(main)


def test_what_a_call_raises_reaches_its_caller_and_nobody_else() -> None:
    async def main() -> None:
        owner = OwnerThread("owner")
        owner.start()
        with pytest.raises(ZeroDivisionError):
            await owner.run(lambda: 1 // 0)
        assert await owner.run(lambda: 7) == 7
        await owner.aclose(lambda: None)

    anyio.run(main)


def test_a_canceled_caller_still_learns_what_became_of_its_call() -> None:
    async def main() -> None:
        owner = OwnerThread("owner")
        owner.start()
        begun, go_on = threading.Event(), threading.Event()
        answers: list[str] = []

        def slow() -> str:
            begun.set()
            assert go_on.wait(10)
            return "written"

        async def caller() -> None:
            answers.append(await owner.run(slow))
            await anyio.lowlevel.checkpoint()
            answers.append("not canceled")

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(caller)
                await anyio.wait_all_tasks_blocked()
                await anyio.to_thread.run_sync(begun.wait, 10)
                group.cancel_scope.cancel()
                go_on.set()
        with anyio.CancelScope(shield=True):
            await owner.aclose(lambda: None)
        assert answers == ["written"]

    anyio.run(main)


def test_the_loop_goes_on_while_a_call_is_under_way() -> None:
    async def main() -> None:
        owner = OwnerThread("owner")
        owner.start()
        go_on = threading.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(owner.run, lambda: go_on.wait(10))
            await anyio.wait_all_tasks_blocked()
            go_on.set()
        await owner.aclose(lambda: None)

    anyio.run(main)


def test_a_short_call_runs_in_the_thread_of_its_caller() -> None:
    async def main() -> None:
        owner = OwnerThread("owner")
        with pytest.raises(StoreUnavailable, match="not open"):
            await owner.run_short(threading.get_ident, threading.get_ident)
        owner.start()
        assert await owner.run_short(threading.get_ident, lambda: 0) == threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await owner.run_short(lambda: 1 // 0, lambda: 0)
        assert await owner.run_short(threading.get_ident, lambda: 0) == threading.get_ident()
        await owner.aclose(lambda: None)

    anyio.run(main)


def test_a_short_call_that_would_wait_is_repeated_in_the_owner_thread() -> None:
    async def main() -> None:
        owner = OwnerThread("owner")
        owner.start()

        def attempt() -> int:
            raise Blocked

        assert await owner.run_short(attempt, threading.get_ident) != threading.get_ident()
        await owner.aclose(lambda: None)

    anyio.run(main)


def test_no_short_call_runs_beside_a_call_in_the_owner_thread() -> None:
    async def main() -> None:
        owner = OwnerThread("owner")
        owner.start()
        begun, go_on = threading.Event(), threading.Event()
        order: list[str] = []

        def slow() -> None:
            begun.set()
            assert go_on.wait(10)
            order.append("slow")

        def short() -> int:
            order.append("short")
            return threading.get_ident()

        async def call_short() -> None:
            assert await owner.run_short(short, short) != threading.get_ident()

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(owner.run, slow)
                await anyio.wait_all_tasks_blocked()
                await anyio.to_thread.run_sync(begun.wait, 10)
                group.start_soon(call_short)
                await anyio.wait_all_tasks_blocked()
                go_on.set()
        await owner.aclose(lambda: None)
        assert order == ["slow", "short"]

    anyio.run(main)


def test_many_short_calls_leave_the_other_tasks_their_turn() -> None:
    async def main() -> None:
        owner = OwnerThread("owner")
        owner.start()
        turns: list[int] = []

        async def other() -> None:
            while True:
                turns.append(1)
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            for _ in range(1000):
                await owner.run_short(lambda: None, lambda: None)
            group.cancel_scope.cancel()
        await owner.aclose(lambda: None)
        assert len(turns) > 10

    anyio.run(main)


def test_a_closed_thread_ends_after_its_last_call_and_takes_no_more() -> None:
    async def main() -> None:
        owner = OwnerThread("owner to be closed")
        with pytest.raises(StoreUnavailable, match="not open"):
            await owner.run(lambda: None)
        owner.start()
        last: list[str] = []
        await owner.aclose(lambda: last.append("closed"))
        await owner.aclose(lambda: last.append("twice"))
        assert last == ["closed"]
        assert "owner to be closed" not in {thread.name for thread in threading.enumerate()}
        with pytest.raises(StoreUnavailable, match="not open"):
            await owner.run(lambda: None)

    anyio.run(main)
