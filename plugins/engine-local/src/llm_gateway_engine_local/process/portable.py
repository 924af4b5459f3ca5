"""The functions of `linux` by psutil and POSIX, for macOS.

What is missing here: subreapers, pidfds, the end of an agent with its shim, and the holders of a lock.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

try:
    import psutil
except ImportError as error:
    raise ImportError("psutil is missing: install llm-gateway-engine-local[portable]") from error

#: psutil's word for the state of a process -> the letter of `ps`.
_STATES = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_DEAD: "X"}
_MOST_PROCESSES = 500
_HASH_BITS = (1 << 64) - 1


def prepare_forks() -> None:
    """Nothing is to be looked up."""


def become_reaper() -> bool:
    """False: there are no subreapers."""
    return False


def take_name() -> bool:
    """False: a shim is recognized by its command line."""
    return False


def die_with_parent() -> bool:
    """False: not possible. The gateway that concludes the run kills the agent."""
    return False


def boot_id() -> str:
    """Empty: not known. The start of a process (see `stat_of`) includes the time of the boot on macOS."""
    return ""


def pids() -> list[int]:
    """Every process id of the system that this process may see, the highest first: the youngest processes end soonest."""
    return sorted(psutil.pids(), reverse=True)


def stat_of(pid: int) -> tuple[int, str, str] | None:
    """Parent, state and start of a process. None: there is none, or it must not be seen.

    The start is psutil's hash of the process id and of the time that the kernel noted when the process started. Unlike
    `create_time` it does not change when the clock is set, and every process computes the same.
    """
    if pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return process.ppid(), _STATES.get(process.status(), "R"), format(hash(process) & _HASH_BITS, "016x")
    except psutil.Error:
        return None


def has_variable(pid: int, variable: str) -> bool:
    """Whether the environment of a process has this entry (`NAME=value`). False where that cannot be read."""
    name, _, value = variable.partition("=")
    with suppress(psutil.Error, OSError):
        return bool(psutil.Process(pid).environ().get(name) == value)
    return False


def is_shim(pid: int, programs: tuple[bytes, ...]) -> bool:
    """Whether a process runs one of these programs (ends of paths)."""
    with suppress(psutil.Error, OSError):
        return any(os.fsencode(argument).endswith(programs) for argument in psutil.Process(pid).cmdline())
    return False


def has_open(pid: int, path: str, wanted: os.stat_result) -> bool:
    """Whether a process has this regular file open. Other names than that of the path are not looked at: their disk may not answer."""
    name = os.path.basename(path)
    with suppress(psutil.Error, OSError):
        for file in psutil.Process(pid).open_files():
            with suppress(OSError):
                if os.path.basename(file.path) == name and os.path.samestat(os.stat(file.path), wanted):
                    return True
    return False


def lock_holders(lock: os.stat_result) -> list[int] | None:
    """None: the system does not tell."""
    return None


def open_process(pid: int) -> int | None:
    """Raises OSError: there are no pidfds."""
    raise OSError(errno.ENOSYS, f"no pidfd of {pid}")


def usage_below(pid: int) -> tuple[int, float] | None:
    """Resident bytes and processor seconds of all descendants of a process. None: it is gone."""
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return None
    memory, seconds = 0, 0.0
    for process in found[:_MOST_PROCESSES]:
        with suppress(psutil.Error), process.oneshot():
            times = process.cpu_times()
            memory += process.memory_info().rss
            seconds += times.user + times.system + times.children_user + times.children_system
    return memory, seconds


def private_bytes(pid: int) -> int:
    """The bytes of memory that a process has for itself, as far as the system tells. 0: it is gone."""
    with suppress(psutil.Error):
        used = psutil.Process(pid).memory_info()
        return int(used.rss - getattr(used, "shared", 0))
    return 0
