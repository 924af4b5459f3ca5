"""A constant load for an hour: nothing grows, nothing fails, nothing is left behind.

`make soak` (SOAK_MINUTES=60) writes docs/reference/soak.md and its pictures. Without SOAK_MINUTES it is a run of a minute, which
proves that the soak works, and that the gateway gives right answers under its load; too short to tell what grows.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from tests.bench.soak.load import CLEAR_EVERY, Load
from tests.bench.soak.page import PAGE, PICTURES, Soak
from tests.bench.soak.recordings import write_programs
from tests.bench.soak.watching import Sample, look, remaining
from tests.bench.world import World

if not Path("/proc/self/status").exists():
    pytest.skip("reads /proc", allow_module_level=True)

MINUTES = float(os.environ.get("SOAK_MINUTES") or 0)
LASTS_S = MINUTES * 60 or 60.0
EVERY_S = 10.0 if LASTS_S >= 600 else LASTS_S / 40
RATE = float(os.environ.get("SOAK_RATE") or 4)
KEPT_S = max(LASTS_S / 20, 30.0)  # nobody may come too late for an answer, on a busy machine


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty home, a user's home, the five programs."""
    for name in ("place", "user", "scratch"):
        (tmp_path / name).mkdir()
    programs = write_programs(tmp_path / "programs")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("LLM_GATEWAY_", "PYTEST_"))}
    environ |= {
        "HOME": str(tmp_path / "user"),
        "TMPDIR": str(tmp_path / "scratch"),
        "LLM_GATEWAY_HOME": str(tmp_path / "home"),
        "LLM_GATEWAY_JOBS_RETENTION_DAYS": str(KEPT_S / 86_400),
        "LLM_GATEWAY_LIMITS_RUNNING": "32",
        "LLM_GATEWAY_REUSE_BUDGET_S": "20",  # a busy machine must not make the files' state unknown
    }
    environ |= {f"LLM_GATEWAY_PROVIDERS_{name.upper()}_EXECUTABLE": str(path) for name, path in programs.items()}
    return World(root=tmp_path, environ=environ)


def test_a_constant_load_makes_nothing_grow_and_leaves_nothing_behind(world: World) -> None:
    load_before = os.getloadavg()[0]
    tree = world.git_tree()
    world.warm()
    with world.serve() as client:
        client.begin()
        load = Load(client, world.place, tree)
        samples = _watch(load, client.pid, world)
        kept = [folder.name for folder in (world.root / "home/jobs").iterdir()]
        assert load.first_job not in kept
    done = Soak(
        minutes=LASTS_S / 60,
        rate=RATE,
        every_s=EVERY_S,
        kept_s=KEPT_S,
        clear_every=CLEAR_EVERY,
        samples=samples,
        done=load.done,
        failures=load.failures,
        left_behind=_left_behind(world),
        load_before=load_before,
        load_after=os.getloadavg()[0],
    )
    if MINUTES >= 5:
        done.write(PAGE, PICTURES)
    else:
        done.write(world.root / "page.md", world.root / "pictures")
    for course in done.courses():
        print(f"{course.name}: {course.first:.2f} -> {course.last:.2f} ({course.slope_an_hour:+.2f} in an hour)")
    assert not load.failures, load.failures[:20]
    assert sum(load.done.values()) >= RATE * LASTS_S * 0.95
    assert not done.left_behind
    grown = done.grown() if MINUTES else []
    assert not grown


def _watch(load: Load, gateway: int, world: World) -> list[Sample]:
    ended, samples = threading.Event(), []
    working = threading.Thread(target=load.run, args=(RATE, ended))
    began = time.monotonic()
    working.start()
    try:
        for number in range(1, round(LASTS_S / EVERY_S) + 1):
            threading.Event().wait(max(0.0, began + number * EVERY_S - time.monotonic()))
            at_s = time.monotonic() - began
            samples.append(look(at_s, gateway, world, load.taken(), world.root / "programs/claude"))
    finally:
        ended.set()
        working.join(60)
    return samples


def _left_behind(world: World) -> list[str]:
    """Processes, files outside of the home, locks, what belongs to a gateway that has ended."""
    found = [words.replace(b"\0", b" ").decode(errors="replace") for words in remaining(world).values()]
    found += [f"scratch: {path.name}" for path in (world.root / "scratch").iterdir()]
    home = world.root / "home"
    for lock in [*home.glob("gateways/*"), *home.glob("jobs/*/lock")]:
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(f"a lock is held: {lock.relative_to(home)}")
    found += [f"a notifier: {notifier.name}" for notifier in home.glob("notifiers/*")]
    return found
