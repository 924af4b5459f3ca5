"""Gateways of one home hear of each other."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import anyio
import pytest

from llm_gateway_engine_local.bells import MISSED, Bell, ring
from llm_gateway_engine_local.lives import Life, is_alive


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def bell(home):
    bells = []

    def make(name):
        bell = Bell(home, name)
        bell.open()
        bells.append(bell)
        return bell

    yield make
    for one in bells:
        one.close()
    assert not home.exists() or list((home / "bells").iterdir()) == []


def hear(bell):
    async def main():
        with anyio.fail_after(10):
            return await bell.heard()

    return anyio.run(main)


def test_every_gateway_hears_every_bell_at_once(home, bell):
    first, second = bell("one"), bell("two")
    for payload in (b"job-a", b"job-b", b"job-a"):
        ring(home, payload)
    assert hear(first) == {"job-a", "job-b"}
    assert hear(second) == {"job-a", "job-b"}
    assert stat.S_IMODE((home / "bells" / "one").stat().st_mode) == 0o600


def test_a_bell_wakes_who_waits(home, bell):
    ear = bell("one")

    async def main():
        heard = set()

        async def listen():
            heard.update(await ear.heard())

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                await anyio.wait_all_tasks_blocked()
                ring(home, b"now")
        return heard

    assert anyio.run(main) == {"now"}


def test_an_ear_that_is_full_learns_that_it_missed_something(home, bell):
    ear = bell("one")
    for number in range(2000):
        ring(home, b"job-%d" % number)
    heard = hear(ear)
    assert MISSED in heard
    assert len(heard) > 1
    ring(home, b"later")
    assert hear(ear) == {"later"}


def test_the_bell_of_a_dead_gateway_is_taken_down(home, bell):
    bell("alive")
    code = (
        "import sys,os; from llm_gateway_engine_local.bells import Bell; Bell(sys.argv[1],'dead').open(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(home)], check=True)
    assert (home / "bells" / "dead").exists()
    ring(home, b"x")
    assert sorted(path.name for path in (home / "bells").iterdir()) == ["alive"]


def test_ringing_where_nobody_lives_is_nothing(home):
    ring(home, b"x")
    assert not home.exists()


def test_a_long_home_is_no_obstacle_on_linux(tmp_path):
    home = tmp_path / ("long" * 40) / "home"
    ear = Bell(home, "one")
    ear.open()
    ring(home, b"job-a")
    assert hear(ear) == {"job-a"}
    ear.close()
    ear.close()


def test_a_life_is_seen_while_it_lasts(home):
    life = Life(home, "gateway-1")
    assert not is_alive(home, "gateway-1")
    life.open()
    assert is_alive(home, "gateway-1")
    assert is_alive(home, "gateway-1")
    with pytest.raises(TimeoutError):
        Life(home, "gateway-1").open()
    life.close()
    life.close()
    assert not is_alive(home, "gateway-1")


def test_lesson_81_a_killed_gateway_is_dead_at_once_and_its_file_is_removed(home):
    code = "import sys,pathlib; from llm_gateway_engine_local.lives import Life; Life(pathlib.Path(sys.argv[1]),'g').open(); print('up',flush=True); input()"
    gateway = subprocess.Popen([sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert gateway.stdout.readline() == b"up\n"
        os.utime(home / "gateways" / "g", (0, 0))
        assert is_alive(home, "g")
        begun = time.monotonic()
    finally:
        gateway.kill()
        gateway.communicate()
    assert not is_alive(home, "g")
    assert not (home / "gateways" / "g").exists()
    assert time.monotonic() - begun < 1
