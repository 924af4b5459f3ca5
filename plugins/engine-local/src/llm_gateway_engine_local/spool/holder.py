"""The process that holds a job's lock, and whether it is a shim.

An agent can write any process id into `state.json`, and lock any file. A process is waited for, signalled or measured as a job's shim
only if it is a shim process and holds this job's lock or folder.
"""

from __future__ import annotations

import os

from llm_gateway_engine_local.process import PORTABLE, system
from llm_gateway_engine_local.process.identity import Identity, identify

from .folder import LOCK, STATE, Folder

#: The ends of the paths in the command lines of shims: of this version, and of an earlier one.
_PROGRAMS = (b"llm_gateway_engine_local/shim/fork_server.py", b"llm_gateway_engine_local/fork_server.py")
#: The key that earlier versions used in `state.json`: a run outlives the upgrade of its gateway.
_FORMER_KEY = {"shim": "keeper"}


def shim_of(folder: Folder) -> Identity | None:
    """The running shim of a job. None: there is none, or the system does not tell."""
    for pid in lock_holders(folder) or ():
        if is_shim(pid) and (shim := identify(pid)):
            return shim
    # The lock's holder is not visible here, or another file is in the lock's place. The shim still has the folder open.
    shim = recorded_process(folder, "shim")
    if shim and shim.is_alive() and is_shim(shim.pid) and _has_open(shim.pid, folder):
        return shim
    return None


def _has_open(pid: int, folder: Folder) -> bool:
    """Whether a process has a job's folder open. The portable implementation sees only regular files: there, whether it has its lock open."""
    if not PORTABLE:
        return system.has_open(pid, folder.path, os.fstat(folder.fd))
    lock = folder.stat(LOCK)
    return lock is not None and system.has_open(pid, os.path.join(folder.path, LOCK), lock)


def is_held(folder: Folder) -> bool:
    """Whether a shim, or a process that the system does not show, holds a job's lock. Other processes' locks do not count."""
    if not folder.is_held():
        return False
    holders = lock_holders(folder)
    return holders is None or any(is_shim(pid) for pid in holders)


def recorded_process(folder: Folder, role: str) -> Identity | None:
    """The process that `state.json` names as `shim` or `agent`. None: none, or nothing that can be one."""
    state = folder.read_json_or_nothing(STATE)
    return Identity.from_dict(state.get(role, state.get(_FORMER_KEY.get(role, ""))))


def lock_holders(folder: Folder) -> list[int] | None:
    """The processes that hold a job's lock. None: the system does not tell."""
    lock = folder.stat(LOCK)
    return [] if lock is None else system.lock_holders(lock)


def is_shim(pid: int) -> bool:
    """Whether this process is a shim: it named itself so, or an earlier version started it."""
    return system.is_shim(pid, _PROGRAMS)
