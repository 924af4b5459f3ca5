"""Find what a run started, and end it. Standard library only.

Descendants are found in /proc: by descent from the shim, which as a subreaper stays their ancestor whatever they do, and, when the
shim itself was killed, by the marker that every process of a run has in its environment. Where there is no /proc only the
agent and its process group can be reached, and what has left the group stays. A descendant that runs as another user, or that
cleared its environment and lost both its parents, is out of reach everywhere.
"""

from __future__ import annotations

import os
import signal
import time

from . import identity
from .identity import Identity

#: The variable that every process of a run carries.
MARKER = "LLM_GATEWAY_JOB"
#: How long killed processes may take to disappear.
PATIENCE_S = 10.0
#: A process that forks or becomes another program just while it is looked for can be missed. Hardly four times.
_QUIET_LOOKS = 4


def descendants(*roots: int) -> list[Identity]:
    """Every living process that descends from these."""
    table = {pid: found for pid in _pids() if (found := identity.stat_of(pid))}
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(pid)
    line, boot = [pid for root in roots for pid in children.pop(root, ())], identity.boot_id()
    for pid in line:  # grows while it is walked; taken out, so that a torn view of the table cannot make a circle
        line.extend(children.pop(pid, ()))
    return [Identity(pid, table[pid][2], boot) for pid in line if table[pid][1] not in "ZX"]


def marked(job_id: str) -> list[Identity]:
    """Every living process whose environment says that it belongs to this job."""
    carrying = (pid for pid in _pids() if carries_marker(pid, job_id))
    return [who for pid in carrying if (who := identity.identify(pid))]


def carries_marker(pid: int, job_id: str) -> bool:
    """Whether the environment of a process says that it belongs to this job."""
    wanted = f"{MARKER}={job_id}".encode()
    if identity.has_proc():
        try:
            with open(f"{identity.PROC}/{pid}/environ", "rb") as file:
                return wanted in file.read().split(b"\0")
        except OSError:
            return False
    return wanted in identity.ask_ps(pid, "command=", "eww").encode(errors="replace").split()


def strike_group(group: int, number: int) -> bool:
    """Signal the process group of an agent that is not yet reaped, or that has other members; False: it is empty."""
    if group <= 1 or group == os.getpgrp():
        return False
    try:
        os.killpg(group, number)
    except OSError:  # empty, or (macOS) only the dead are left in it
        return False
    return True


def end_leftovers(job_id: str, agent: Identity | None) -> int:
    """Kill all that a job whose shim is gone left behind; how many that were. Blocks until they are gone, or PATIENCE_S.

    :param agent: what `state.json` says is the agent; not believed unless the process itself carries the job's marker.
    """
    struck: set[int] = set()
    deadline, quiet = time.monotonic() + PATIENCE_S, 0
    while quiet < _QUIET_LOOKS and time.monotonic() < deadline:
        mine = {who.pid: who for who in marked(job_id)}
        if agent and agent.is_alive() and carries_marker(agent.pid, job_id):  # else a file names a stranger
            mine[agent.pid] = agent
            if not identity.has_proc():  # the agent's identity vouches for its group
                strike_group(agent.pid, signal.SIGKILL)
        mine.update({who.pid: who for who in descendants(*mine)} if mine else {})
        mine.pop(os.getpid(), None)
        alive = {who.pid for who in mine.values() if who.is_alive() and who.signal(signal.SIGKILL)}
        struck |= alive
        quiet = 0 if alive else quiet + 1
        time.sleep(0.005)
    return len(struck)


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir(identity.PROC) if name.isdigit()]
    except OSError:
        return []
