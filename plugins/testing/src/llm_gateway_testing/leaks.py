"""What a test left behind: a changed environment or directory, a process, a thread, an open file.

    @pytest.mark.usefixtures("nothing_left_behind")
    def test_...

A test that leaves something behind fails, by name, where it happened. An autouse fixture of a conftest.py that asks for it
spreads the net under a whole suite.
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

GRACE_S = 5.0  # how long what a test has already ended may take to vanish
LINUX = Path("/proc/self/environ").exists()


@pytest.fixture
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compare the process and its descendants before and after, and fail the test that changed them."""
    marks = [os.fsencode(f"{tmp_path_factory.getbasetemp()}/")]
    if (home := os.environ.get("HOME", "")).startswith(tempfile.gettempdir()):  # a real home says nothing of a test
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
        gc.collect()  # a cycle that still holds a file is no leak
        left += [f"left a file open: {target} ({fd})" for fd, target in sorted(_open_files() - files)]
    if left:
        pytest.fail("the test " + "; ".join(left), pytrace=False)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _newest_pid() -> int | None:
    """The last pid that the system gave away; none given, none left."""
    return int(Path("/proc/loadavg").read_text().split()[-1]) if LINUX else None


def _now_in_ticks() -> int:
    """The time in the unit in which Linux tells when a process began."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")) if LINUX else 0


def _processes_of(marks: list[bytes], begun: int) -> set[int]:
    """Every process since `begun` that descends from this one, or names one of our folders: a shim has other parents."""
    if not LINUX:
        return set()
    own, parents, found, young = os.getpid(), {}, set(), set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == own:
            continue
        try:
            stat = Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
            parents[int(entry)] = int(stat[1])
            if int(stat[19]) < begun:
                continue
            young.add(int(entry))
            if stat[0] == "Z":
                continue
            told = Path("/proc", entry, "environ").read_bytes() + Path("/proc", entry, "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if any(mark in told for mark in marks):
            found.add(int(entry))
    for pid in young:
        ancestor = pid
        while ancestor in parents and ancestor != own:
            ancestor = parents[ancestor]
        if ancestor == own:
            found.add(pid)
    return found


def _end_processes(pids: set[int], marks: list[bytes], begun: int) -> list[str]:
    """Wait for those that are on their way out, end the rest, and say which they were."""
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
    # A thread of ours may be waiting for a dead one; nothing tells when it has done so.
    while (alive := pids & _processes_of(marks, begun)) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = []
    for pid in sorted(alive):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
        left.append(f"left a process: {pid} {words or '(ended, never waited for)'}"[:300])
    return left


def _open_files() -> set[tuple[int, str]]:
    """Descriptors and what they lead to; what the interpreter opens once and keeps does not count."""
    if not LINUX:
        return set()
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:  # the listing's own
            continue
        if not target.startswith(("/dev/", "/proc/")):
            found.add((int(fd), target))
    return found
