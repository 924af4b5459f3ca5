"""What the Linux kernel tells about processes and does for a shim: /proc, pidfd, prctl, fallocate. Standard library only.

Where there is no /proc, `ps` tells the parent, state and start of a process. It tells the start to the second: a process whose id
is reused within that second cannot be distinguished there.
"""

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

_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02
_libc = ctypes.CDLL(None) if _LINUX else None
_fallocate = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def become_reaper() -> bool:
    """Make every orphaned descendant a child of this process. False: not possible here."""
    return _libc is not None and _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def take_name() -> bool:
    """Name this process as a shim. False: not possible here."""
    return _libc is not None and _libc.prctl(_PR_SET_NAME, SHIM_NAME, 0, 0, 0) == 0


def die_with_parent() -> bool:
    """Have this process killed when its parent ends: an agent without its shim has no owner. False: not possible here."""
    return _libc is not None and _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0


def punch(fd: int, start: int, end: int) -> bool:
    """Free the disk blocks of the bytes from start to end. They read as zeros, all others keep their offsets. False: not possible."""
    return _fallocate is not None and _fallocate(fd, _KEEP_SIZE_PUNCH_HOLE, start, end - start) == 0


def boot_id() -> str:
    """The id of this boot. Empty where start times are wall-clock times, which need no boot."""
    try:
        with open(f"{PROC}/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def has_proc() -> bool:
    """Whether this system shows its processes in /proc."""
    return os.path.exists(f"{PROC}/self/stat")


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
        return None if has_proc() else _stat_from_ps(pid)


def has_variable(pid: int, variable: str) -> bool:
    """Whether the environment of a process has this entry (`NAME=value`). False where that cannot be read."""
    wanted = os.fsencode(variable)
    if not has_proc():
        return wanted in _ask_ps(pid, "command=", "eww").encode(errors="replace").split()
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:
        return False


def is_shim(pid: int, program: bytes) -> bool:
    """Whether a process named itself a shim, or runs this program (the end of a path), as shims of earlier versions do."""
    try:
        with open(f"{PROC}/{pid}/comm", "rb") as file:
            if file.read().strip() == SHIM_NAME:
                return True
        with open(f"{PROC}/{pid}/cmdline", "rb") as file:
            arguments = file.read(1 << 16).split(b"\0")
    except OSError:
        return False
    return any(argument.endswith(program) for argument in arguments)


def has_open(pid: int, wanted: os.stat_result) -> bool:
    """Whether a process has this file or directory open."""
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


def children_of(pid: int) -> list[int] | None:
    """The children of a process. None: the process is gone, or the system does not tell."""
    try:
        with open(f"{PROC}/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return None


def usage_of(pid: int) -> tuple[int, float] | None:
    """Resident bytes of a process, and the processor seconds of it and of the children it has reaped. None: it is gone."""
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    ticks = sum(int(field) for field in fields[11:15])
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")


def private_bytes(pid: int) -> int:
    """The bytes of memory that a process has for itself, without files that others share. 0: it is gone."""
    with suppress(OSError, ValueError, IndexError), open(f"{PROC}/{pid}/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def _stat_from_ps(pid: int) -> tuple[int, str, str] | None:
    fields = _ask_ps(pid, "ppid=,state=,lstart=").split(None, 2)
    return (int(fields[0]), fields[1][0], fields[2].strip()) if len(fields) == 3 else None


def _ask_ps(pid: int, columns: str, *flags: str) -> str:
    """The output of `ps` for a process. Empty: there is none. `ps eww` adds the environment to the command."""
    import subprocess

    from llm_gateway.programs import find_executable

    ps = find_executable("ps", os.environ)
    if ps is None:
        return ""
    argv = [ps, *flags, "-o", columns, "-p", str(pid)]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return answer.stdout
