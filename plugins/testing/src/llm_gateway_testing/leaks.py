"""Find what a test leaves behind: a changed environment or directory, a process, a thread, an open file.

    @pytest.mark.usefixtures("nothing_left_behind")
    def test_...

The test that leaves something behind fails, not a later one. To check a whole suite, request the fixture in an autouse
fixture of its conftest.py.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

GRACE_S = 5.0  # how long a thread or process may take to end after the test
LINUX = Path("/proc/self/environ").exists()


@pytest.fixture
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compare this process and its descendants before and after a test, and fail the test that changed them."""
    marks = [os.fsencode(f"{tmp_path_factory.getbasetemp()}/")]
    home = os.environ.get("HOME", "")
    if home.startswith(tempfile.gettempdir()):  # other processes name a real home, too
        marks.append(os.fsencode(home))
    environment, directory = _environment(), os.getcwd()
    begun, newest = _now_in_ticks(), _newest_pid()
    threads, files = set(threading.enumerate()), _open_files()
    yield
    left = []
    after = _environment()
    if after != environment:
        changed = {name for name in after.keys() | environment.keys() if after.get(name) != environment.get(name)}
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update({name: environment[name] for name in changed & environment.keys()})
        left.append(f"changed environment variables: {', '.join(sorted(changed))}")
    if os.getcwd() != directory:
        os.chdir(directory)
        left.append("changed the working directory")
    if _newest_pid() != newest:
        left += _end_processes(_processes_of(marks, begun), marks, begun)
    for thread in set(threading.enumerate()) - threads:
        if not thread.daemon:
            thread.join(GRACE_S)
            if thread.is_alive():
                left.append(f"left a thread running: {thread.name}")
    if _open_files() - files:
        gc.collect()  # a file in a reference cycle is not a leak
        left += [f"left a file open: {target} ({fd})" for fd, target in sorted(_open_files() - files)]
    if left:
        pytest.fail("the test " + "; ".join(left), pytrace=False)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _newest_pid() -> int | None:
    """The last pid that the system assigned. If it is unchanged, the test started no process."""
    return int(Path("/proc/loadavg").read_text().split()[-1]) if LINUX else None


def _now_in_ticks() -> int:
    """Time since boot in clock ticks, the unit of a process's start time on Linux."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")) if LINUX else 0


def _processes_of(marks: list[bytes], begun: int) -> set[int]:
    """All processes started since `begun` that descend from this one or name a test folder: a shim is no descendant."""
    if not LINUX:
        return set()
    this_pid = os.getpid()
    parents: dict[int, int] = {}
    found: set[int] = set()
    young: set[int] = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == this_pid:
            continue
        try:
            stat = Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
            parents[int(entry)] = int(stat[1])
            if int(stat[19]) < begun:
                continue
            young.add(int(entry))
            if stat[0] == "Z":
                continue
            text = Path("/proc", entry, "environ").read_bytes() + Path("/proc", entry, "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if any(mark in text for mark in marks):
            found.add(int(entry))
    for pid in young:
        ancestor = pid
        while ancestor in parents and ancestor != this_pid:
            ancestor = parents[ancestor]
        if ancestor == this_pid:
            found.add(pid)
    return found


def _end_processes(pids: set[int], marks: list[bytes], begun: int) -> list[str]:
    """Wait until these processes have ended, kill the others after GRACE_S, and return a line for each killed one."""
    deadline = time.monotonic() + GRACE_S
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            continue
        try:
            select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        finally:
            os.close(descriptor)
    # A thread of the test may still have to wait for an ended process. No event reports that, so poll.
    alive = pids & _processes_of(marks, begun)
    while alive and time.monotonic() < deadline:
        time.sleep(0.01)
        alive = pids & _processes_of(marks, begun)
    left = []
    for pid in sorted(alive):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
        left.append(f"left a process: {pid} {command or '(ended, but no parent waited for it)'}"[:300])
    return left


def _open_files() -> set[tuple[int, str]]:
    """Open descriptors and their targets, without devices and `/proc`."""
    if not LINUX:
        return set()
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # the descriptor of this listing
            continue
        if not target.startswith(("/dev/", "/proc/")):
            found.add((int(fd), target))
    return found
