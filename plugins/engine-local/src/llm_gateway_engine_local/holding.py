"""Who holds a job's lock, and whether that is a shim: what a file in the job's folder says of processes is not believed.

An agent can write any pid into `state.json`, and lock any file. A process is waited for, signalled or measured as a job's shim only if
it is one of ours and holds this job's lock or folder. Standard library only.
"""

from __future__ import annotations

import os
from contextlib import suppress

from . import identity, linux
from .folder import LOCK, STATE, Folder
from .identity import Identity

#: What the command line of a shim that an earlier version started ends with, before its two arguments.
_PROGRAM = b"llm_gateway_engine_local/fork_server.py"


def shim_of(folder: Folder) -> Identity | None:
    """The living shim of a job; None: there is none, or the system does not tell."""
    if not identity.has_proc():
        return None
    for pid in lock_holders(folder) or ():
        if is_shim(pid) and (who := identity.identify(pid)):
            return who
    # Its lock is not to be seen here, or somebody has put another file in its place: then it still holds the folder open.
    who = stated(folder, "shim")
    return who if who and who.is_alive() and is_shim(who.pid) and _has_open(who.pid, folder) else None


def is_held(folder: Folder) -> bool:
    """Whether a shim, or somebody whom the system does not show, holds a job's lock. Any other process's lock says nothing."""
    if not folder.is_held():
        return False
    holders = lock_holders(folder)
    return holders is None or any(is_shim(pid) for pid in holders)


def _has_open(pid: int, folder: Folder) -> bool:
    """Whether a process has this very folder open, as its shim has for life."""
    place = f"{identity.PROC}/{pid}/fd"
    mine = os.fstat(folder.fd)
    with suppress(OSError):
        for name in os.listdir(place):
            with suppress(OSError):  # closed meanwhile
                if os.path.samestat(os.stat(f"{place}/{name}"), mine):
                    return True
    return False


#: What `state.json` called them before: a run outlives the upgrade of its gateway.
_FORMER = {"shim": "keeper"}


def stated(folder: Folder, who: str) -> Identity | None:
    """The process that `state.json` names as `shim` or `agent`; None: none, or nothing that could be one."""
    state = folder.read_json_or_nothing(STATE)
    return Identity.from_dict(state.get(who, state.get(_FORMER.get(who, ""))))


def lock_holders(folder: Folder) -> list[int] | None:
    """The processes that hold a job's lock; None: the system does not tell."""
    lock = folder.stat(LOCK)
    if lock is None:
        return []
    wanted = f"{os.major(lock.st_dev):02x}:{os.minor(lock.st_dev):02x}:{lock.st_ino}".encode()
    try:
        with open(f"{identity.PROC}/locks", "rb") as file:
            held = [fields for line in file if len(fields := line.split()) >= 8 and fields[1] == b"FLOCK"]
    except OSError:
        return None
    pids = [int(fields[4]) for fields in held if fields[5] == wanted and fields[4].lstrip(b"-").isdigit()]
    return None if not pids or any(pid <= 0 for pid in pids) else pids


def is_shim(pid: int) -> bool:
    """Whether this process is a shim: it has named itself so, or an earlier version started it."""
    try:
        with open(f"{identity.PROC}/{pid}/comm", "rb") as file:
            if file.read().strip() == linux.SHIM_NAME:
                return True
        with open(f"{identity.PROC}/{pid}/cmdline", "rb") as file:
            words = file.read(1 << 16).split(b"\0")
    except OSError:
        return False
    return any(word.endswith(_PROGRAM) for word in words)
