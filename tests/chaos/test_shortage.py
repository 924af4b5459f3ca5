"""A machine that is out of something: room on the disk, descriptors, a home that can be written, a lock, a sound file."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.driven import PATIENCE_S, Driven, answered, ask, refused
from tests.chaos.scenes import SUDO, await_ends, await_job_files, check_ran_once, launched, leave, open_all, start
from tests.chaos.world import World


@contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[None]:
    subprocess.run([*SUDO, "mount", *arguments, str(place)], check=True, timeout=20)
    try:
        yield
    finally:
        subprocess.run([*SUDO, "umount", "--lazy", str(place)], check=True, timeout=20)


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """A folder in which nothing new can be opened for writing."""
    with mounted(place, "--bind", str(place)):
        subprocess.run([*SUDO, "mount", "-o", "remount,bind,ro", str(place)], check=True, timeout=20)
        yield


@pytest.fixture
def small(world: World) -> Iterator[World]:
    """A world whose home lies on a disk of three megabytes."""
    owner = f"size=3m,mode=0700,uid={os.geteuid()},gid={os.getegid()}"
    with mounted(world.home, "-t", "tmpfs", "-o", owner, "tmpfs"):
        yield world
        world.close()


def fill(world: World) -> Path:
    ballast = world.home / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return ballast


@contextmanager
def squeezed(*gateways: Driven) -> Iterator[None]:
    """Let gateways open nothing more than they have open."""
    before = {}
    for gateway in gateways:
        pid = gateway.process.pid
        most = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
        before[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most + 1, before[pid][1]))
    try:
        yield
    finally:
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def test_lesson_18_a_full_disk_refuses_what_comes_and_loses_nothing_that_runs(small: World) -> None:
    (gateway,) = open_all(small, 1)
    jobs = start(small, gateway, *"abcd", scenario="silent", delayMs=1500)
    launched(small, gateway, jobs)
    ballast = fill(small)
    error = refused(gateway, "echo_request_async", prompt="more", workingDir=str(small.work))
    assert (error["code"], error["retryable"]) == ("store_unavailable", True)
    ask(gateway, "llm_job_wait", jobIds=jobs, timeoutMs=4000)
    ballast.unlink()
    ask(gateway, "llm_job_wait", jobIds=jobs)
    assert set(small.states()) == set(jobs)
    assert [small.starts()[job] for job in jobs] == [1] * 4
    more = start(small, gateway, "after")
    ask(gateway, "llm_job_wait", jobIds=more)
    check_ran_once(small, gateway, *more)
    leave(small, gateway)


def test_a_home_that_becomes_read_only_refuses_what_comes_and_loses_nothing_that_runs(world: World) -> None:
    gateway, peer = open_all(world, 2)
    jobs = start(world, gateway, *"abcd", scenario="silent", delayMs=800)
    launched(world, gateway, jobs)
    with read_only(world.home):
        error = refused(gateway, "echo_request_async", prompt="more", workingDir=str(world.work))
        assert (error["code"], error["retryable"]) == ("store_unavailable", True)
    ask(peer, "llm_job_wait", jobIds=jobs)
    check_ran_once(world, peer, *jobs)
    leave(world, gateway, peer)


def test_a_gateway_does_not_open_in_a_home_that_cannot_be_written(world: World) -> None:
    with read_only(world.home):
        gateway = world.warm()
        world.await_event([gateway], "warm")
        gateway.open()
        assert gateway.await_end(PATIENCE_S)
        assert "the home is not writable" in (world.folder / "stderr").read_text()
        world.drop(gateway)
    (gateway,) = open_all(world, 1)
    leave(world, gateway)


def test_without_free_descriptors_no_run_is_given_up_and_no_living_gateway_taken_for_dead(world: World) -> None:
    gateway, peer = open_all(world, 2)
    jobs = start(world, gateway, *"abcd", scenario="steps", delayMs=150)
    launched(world, gateway, jobs)
    owners = world.rows("SELECT id, owner FROM jobs ORDER BY id")
    with squeezed(gateway, peer):
        answer = answered(gateway, "echo_request_async", prompt="more", workingDir=str(world.work))
        assert answer.get("error", {}).get("code") in ("store_unavailable", None)
        await_job_files(world, jobs, "exit.json")
        assert set(world.states().values()) <= {"running", "completed"}
        assert set(owners) <= set(world.rows("SELECT id, owner FROM jobs"))
    jobs += [answer["result"]["job"]["id"]] if "result" in answer else []
    await_ends(world, jobs)
    check_ran_once(world, peer, *jobs)
    assert set(owners) <= set(world.rows("SELECT id, owner FROM jobs"))
    assert set(world.states()) == set(jobs)
    leave(world, gateway, peer)


def test_a_store_that_somebody_locks_for_long_delays_ends_and_loses_none(world: World) -> None:
    (gateway,) = open_all(world, 1)
    jobs = start(world, gateway, *"ab", scenario="silent", delayMs=300)
    launched(world, gateway, jobs)
    with closing(sqlite3.connect(world.home / "gateway.db", timeout=20, isolation_level=None)) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        error = refused(gateway, "echo_request_async", prompt="more", workingDir=str(world.work))
        assert (error["code"], error["retryable"]) == ("store_unavailable", True)
        assert all(world.job_file(job, "exit.json") for job in jobs)
        intruder.execute("ROLLBACK")
    ask(gateway, "llm_job_wait", jobIds=jobs)
    check_ran_once(world, gateway, *jobs)
    assert set(world.states()) == set(jobs)
    leave(world, gateway)


def test_a_damaged_store_is_named_and_the_next_start_after_moving_it_away_answers(world: World) -> None:
    (gateway,) = open_all(world, 1)
    (job,) = start(world, gateway, "before")
    ask(gateway, "llm_job_wait", jobIds=[job])
    leave(world, gateway)
    database = world.home / "gateway.db"
    sound = database.read_bytes()
    database.write_bytes(sound[:100] + b"\xff" * (len(sound) - 100))
    broken = world.warm()
    world.await_event([broken], "warm")
    broken.open()
    assert broken.await_end(PATIENCE_S)
    said = (world.folder / "stderr").read_text()
    assert "is damaged" in said
    assert "gateway.db" in said
    world.drop(broken)
    assert database.read_bytes()[100:] == b"\xff" * (len(sound) - 100), "what is left of it is not touched"
    for name in ("gateway.db", "gateway.db-wal", "gateway.db-shm"):
        (world.home / name).unlink(missing_ok=True)
    (gateway,) = open_all(world, 1)
    more = start(world, gateway, "after")
    ask(gateway, "llm_job_wait", jobIds=more)
    check_ran_once(world, gateway, *more)
    assert (world.home / "jobs" / job / "reply.txt").read_text() == "echo: before"
    world.drop(gateway, gently=True)
    world.await_silence()
