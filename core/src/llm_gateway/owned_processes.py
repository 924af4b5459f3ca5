"""Programs that the gateway runs for itself (git, checks of versions and logins, lists of models) end with it. Runs do not.

Each such program, and what it starts, has the variable `OWNER` in its environment: the id and start of the gateway's process, and a
random number for the call. What the program leaves behind is killed at the end of the call, and when the gateway exits. What a killed
gateway leaves behind is killed by its fork server, or by the next gateway of this user. Standard library only (`portable`: psutil).
"""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

OWNER = "LLM_GATEWAY_OWNER"
_PORTABLE = not sys.platform.startswith("linux") or os.environ.get("LLM_GATEWAY_PORTABLE") == "1"
#: A killed process needs a moment to end.
_KILL_S, _PAUSE_S = 1.0, 0.005
#: A search can miss a process that forks or executes at that moment. So several in a row must find nothing.
_EMPTY_SEARCHES = 3
_Kill = Callable[[], None]


@contextmanager
def owned(environ: Mapping[str, str], *, search: bool = True) -> Iterator[dict[str, str]]:
    """Yield the environment for a program that the gateway starts for itself. What it leaves behind is killed at the end.

    :param search: look for such processes also if the block ends without an error. That reads the environment of every process of
        this user (milliseconds, blocking). Without, it happens when the block raises or the gateway exits.
    """
    owner = f"{_this_process()}{os.urandom(6).hex()}"
    end = partial(_end, lambda found: found == owner)
    atexit.register(end)
    try:
        yield {**environ, OWNER: owner}
    except BaseException:
        end()
        raise
    else:
        if search:
            end()
    finally:
        atexit.unregister(end)


def end_abandoned() -> int:
    """Kill the processes whose gateway has ended without ending them, and return their number. Blocks for milliseconds."""
    return _end(_is_abandoned)


def _is_abandoned(owner: str) -> bool:
    namespace, pid, start, _ = f"{owner}:::".split(":", 3)
    return namespace == _namespace() and pid.isdecimal() and _start_of(int(pid)) != start


def _this_process() -> str:
    return f"{_namespace()}:{os.getpid()}:{_start_of(os.getpid())}:"


def _end(matches: Callable[[str], bool]) -> int:
    """Kill the processes whose owner matches, until there are none. Returns how many were found, those that started meanwhile included."""
    killed: set[int] = set()
    deadline, empty = time.monotonic() + _KILL_S, 0
    while True:
        found = dict(_search(matches))
        for kill in found.values():
            kill()
        killed |= found.keys()
        empty = 0 if found else empty + 1
        if empty == _EMPTY_SEARCHES or time.monotonic() > deadline:
            return len(killed)
        time.sleep(_PAUSE_S)


if _PORTABLE:
    try:
        import psutil
    except ImportError:  # only the engine requires it; without, nothing is found
        psutil = None  # type: ignore[assignment]

    def _namespace() -> str:
        """What process ids refer to. Empty: the whole system."""
        return ""

    def _start_of(pid: int) -> str:
        """The start of a process. Empty: it has ended, or the system does not tell."""
        if psutil is not None:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    return format(
                        hash(process) & ((1 << 64) - 1), "016x"
                    )  # the creation time may change with the clock
        return ""

    def _pids() -> list[int]:
        """Every process id. Empty: the system does not tell."""
        if psutil is not None:
            with suppress(psutil.Error, OSError):
                return psutil.pids()
        return []

    def _search(matches: Callable[[str], bool]) -> Iterator[tuple[int, _Kill]]:
        """The ids of the processes whose owner matches, and functions that kill them."""
        for pid in _pids():
            with suppress(psutil.Error, OSError):
                process = psutil.Process(pid)
                owner = process.environ().get(OWNER)
                if owner and pid != os.getpid() and matches(owner):
                    yield pid, partial(_kill, process)

    def _kill(process: psutil.Process) -> None:
        with suppress(psutil.Error):
            process.kill()

else:
    _ENTRY = os.fsencode(OWNER) + b"="

    def _namespace() -> str:
        """What process ids refer to: in a container, they are not those of the system."""
        with suppress(OSError):
            return os.readlink("/proc/self/ns/pid").rpartition(":")[2]
        return ""

    def _start_of(pid: int) -> str:
        """The start of a process in clock ticks. Empty: it has ended."""
        with suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            if fields[0] not in b"ZX":
                return fields[19].decode()
        return ""

    def _search(matches: Callable[[str], bool]) -> Iterator[tuple[int, _Kill]]:
        """The ids of the processes whose owner matches, and functions that kill them."""
        for pid in _pids():
            owner = _owner_of(pid)
            if owner and pid != os.getpid() and matches(owner):
                yield pid, partial(_kill_owned, pid, owner)

    def _pids() -> list[int]:
        """Every process id. Empty: there is no /proc, or no free descriptor."""
        with suppress(OSError):
            return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
        return []

    def _owner_of(pid: int) -> str:
        with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
            return next((os.fsdecode(entry[len(_ENTRY) :]) for entry in entries if entry.startswith(_ENTRY)), "")
        return ""

    def _kill_owned(pid: int, owner: str) -> None:
        """Kill a process that still has this owner. With a pidfd, the id cannot mean another process meanwhile."""
        try:
            descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError) as error:
            if getattr(error, "errno", errno.ENOSYS) == errno.ENOSYS and _owner_of(pid) == owner:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            return
        try:
            if _owner_of(pid) == owner:
                with suppress(OSError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
