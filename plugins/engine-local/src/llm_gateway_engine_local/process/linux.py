"""What the Linux kernel tells about processes and does for a shim: /proc, pidfd, prctl. Standard library only."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from contextlib import suppress

PROC = "/proc"
#: The name of a shim in `ps` and `top`, at most 15 bytes. Gateways recognize a shim by it.
SHIM_NAME = b"llm-gw-shim"

_MOST_PROCESSES = 500
_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_libc = ctypes.CDLL(None) if _LINUX else None
_boot_id = ""


def prepare_forks() -> None:
    """Look up in a fork server what each shim needs, so that a shim writes to less of the memory that it shares."""
    boot_id()
    if _libc is not None:
        _libc.prctl  # noqa: B018  ctypes keeps what it found


def become_reaper() -> bool:
    """Make every orphaned descendant a child of this process. False: not possible here."""
    return _libc is not None and _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def take_name() -> bool:
    """Name this process as a shim. False: not possible here."""
    return _libc is not None and _libc.prctl(_PR_SET_NAME, SHIM_NAME, 0, 0, 0) == 0


def die_with_parent() -> bool:
    """Have this process killed when its parent ends: an agent without its shim has no owner. False: not possible here."""
    return _libc is not None and _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0


def boot_id() -> str:
    """The id of this boot. Empty: not known. Read once by a process."""
    global _boot_id  # noqa: PLW0603  it cannot change
    if not _boot_id:
        with suppress(OSError), open(f"{PROC}/sys/kernel/random/boot_id") as file:
            _boot_id = file.read().strip()
    return _boot_id


def pids() -> list[int]:
    """Every process id of the system that this process may see."""
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdigit()]
    except OSError:
        return []


def stat_of(pid: int) -> tuple[int, str, str] | None:
    """Parent, state and start of a process. None: there is none."""
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before it can contain anything
        return int(fields[1]), chr(fields[0][0]), fields[19].decode()
    except (OSError, IndexError):
        return None


def has_variable(pid: int, variable: str) -> bool:
    """Whether the environment of a process has this entry (`NAME=value`). False where that cannot be read."""
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:
            return os.fsencode(variable) in file.read().split(b"\0")
    except OSError:
        return False


def is_shim(pid: int, programs: tuple[bytes, ...]) -> bool:
    """Whether a process named itself a shim, or runs one of these programs (ends of paths), as shims of earlier versions do."""
    try:
        with open(f"{PROC}/{pid}/comm", "rb") as file:
            if file.read().strip() == SHIM_NAME:
                return True
        with open(f"{PROC}/{pid}/cmdline", "rb") as file:
            arguments = file.read(1 << 16).split(b"\0")
    except OSError:
        return False
    return any(argument.endswith(programs) for argument in arguments)


def has_open(pid: int, path: str, wanted: os.stat_result) -> bool:
    """Whether a process has this file or directory open, under any name."""
    place = f"{PROC}/{pid}/fd"
    with suppress(OSError):
        for name in os.listdir(place):
            with suppress(OSError):  # closed meanwhile
                if os.path.samestat(os.stat(f"{place}/{name}"), wanted):
                    return True
    return False


def lock_holders(lock: os.stat_result) -> list[int] | None:
    """The processes that hold a `flock` on this file. None: the system does not tell."""
    wanted = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}".encode()
    try:
        with open(f"{PROC}/locks", "rb") as file:
            held = [fields for line in file if len(fields := line.split()) >= 8 and fields[1] == b"FLOCK"]
    except OSError:
        return None
    found = [int(fields[4]) for fields in held if fields[5] == wanted and fields[4].lstrip(b"-").isdigit()]
    return None if not found or any(pid <= 0 for pid in found) else found


def open_process(pid: int) -> int | None:
    """A pidfd of a process. None: there is no such process. Raises OSError (ENOSYS where there are no pidfds)."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    except (AttributeError, ValueError) as error:
        raise OSError(errno.ENOSYS, "no pidfd") from error


def usage_below(pid: int) -> tuple[int, float] | None:
    """Resident bytes and processor seconds of all descendants of a process. None: it is gone, or the system does not tell.

    This is called often, so it walks down from the process instead of through all processes. It counts at most `_MOST_PROCESSES`.
    """
    queue = _children_of(pid)
    if queue is None:
        return None
    pages, ticks = 0, 0
    seen = set(queue)
    for child in queue:  # grows during the walk
        try:
            with open(f"{PROC}/{child}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        pages += int(fields[21])
        ticks += sum(int(field) for field in fields[11:15])  # its own and that of the children it has reaped
        if len(queue) < _MOST_PROCESSES:
            fresh = [found for found in _children_of(child) or () if found not in seen]
            queue += fresh
            seen.update(fresh)
    return pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")


def _children_of(pid: int) -> list[int] | None:
    try:
        with open(f"{PROC}/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return None


def private_bytes(pid: int) -> int:
    """The bytes of memory that a process has for itself, without files that others share. 0: it is gone."""
    with suppress(OSError, ValueError, IndexError), open(f"{PROC}/{pid}/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
