"""The owner thread: one call after the other, and no caller is left in doubt."""

from __future__ import annotations

import threading

import anyio
import pytest

from llm_gateway.errors import StoreUnavailable
from llm_gateway_store_sqlite.thread import OwnerThread


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
