"""Gateways of one home hear of each other."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import anyio
import pytest

from llm_gateway_engine_local.lease import Lease, is_alive
from llm_gateway_engine_local.notifier import OVERFLOW, Notifier, notify


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def notifier(home):
    notifiers = []

    def make(name):
        notifier = Notifier(home, name)
        notifier.open()
        notifiers.append(notifier)
        return notifier

    yield make
    for one in notifiers:
        one.close()
    assert not home.exists() or list((home / "notifiers").iterdir()) == []


def hear(notifier):
    async def main():
        with anyio.fail_after(10):
            return await notifier.receive()

    return anyio.run(main)


def test_every_gateway_hears_every_bell_at_once(home, notifier):
    first, second = notifier("one"), notifier("two")
    for payload in (b"job-a", b"job-b", b"job-a"):
        notify(home, payload)
    assert hear(first) == {"job-a", "job-b"}
    assert hear(second) == {"job-a", "job-b"}
    assert stat.S_IMODE((home / "notifiers" / "one").stat().st_mode) == 0o600


def test_a_bell_wakes_who_waits(home, notifier):
    receiver = notifier("one")

    async def main():
        heard = set()

        async def listen():
            heard.update(await receiver.receive())

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                await anyio.wait_all_tasks_blocked()
                notify(home, b"now")
        return heard

    assert anyio.run(main) == {"now"}


def test_an_ear_that_is_full_learns_that_it_missed_something(home, notifier):
    receiver = notifier("one")
    for number in range(2000):
        notify(home, b"job-%d" % number)
    heard = hear(receiver)
    assert OVERFLOW in heard
    assert len(heard) > 1
    notify(home, b"later")
    assert hear(receiver) == {"later"}


def test_the_bell_of_a_dead_gateway_is_taken_down(home, notifier):
    notifier("alive")
    code = "import sys,os; from llm_gateway_engine_local.notifier import Notifier; Notifier(sys.argv[1],'dead').open(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(home)], check=True)
    assert (home / "notifiers" / "dead").exists()
    notify(home, b"x")
    assert sorted(path.name for path in (home / "notifiers").iterdir()) == ["alive"]


def test_ringing_where_nobody_lives_is_nothing(home):
    notify(home, b"x")
    assert not home.exists()


def test_a_long_home_is_no_obstacle_on_linux(tmp_path):
    home = tmp_path / ("long" * 40) / "home"
    receiver = Notifier(home, "one")
    receiver.open()
    notify(home, b"job-a")
    assert hear(receiver) == {"job-a"}
    receiver.close()
    receiver.close()


def test_a_life_is_seen_while_it_lasts(home):
    life = Lease(home, "gateway-1")
    assert not is_alive(home, "gateway-1")
    life.open()
    assert is_alive(home, "gateway-1")
    assert is_alive(home, "gateway-1")
    with pytest.raises(TimeoutError):
        Lease(home, "gateway-1").open()
    life.close()
    life.close()
    assert not is_alive(home, "gateway-1")


def test_lesson_81_a_killed_gateway_is_dead_at_once_and_its_file_is_removed(home):
    code = "import sys,pathlib; from llm_gateway_engine_local.lease import Lease; Lease(pathlib.Path(sys.argv[1]),'g').open(); print('up',flush=True); input()"
    gateway = subprocess.Popen([sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert gateway.stdout.readline() == b"up\n"
        os.utime(home / "gateways" / "g", (0, 0))
        assert is_alive(home, "g")
    finally:
        gateway.kill()
        gateway.communicate()
    assert not is_alive(home, "g")
    assert not (home / "gateways" / "g").exists()
