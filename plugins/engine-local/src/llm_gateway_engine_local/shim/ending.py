"""Find the processes of a run, and end them.

On Linux, the shim is a subreaper, so it stays the ancestor of all descendants. Elsewhere, and when the shim was killed, they are found
by the variable that every process of a run has in its environment, by their parents, and by the agent's process group. A descendant
that runs as another user, or that cleared its environment and lost its parents, cannot be found then.
"""

from __future__ import annotations

import os
import signal
import time

from llm_gateway_engine_local.process import system
from llm_gateway_engine_local.process.identity import Identity, identify

#: The environment variable of every process of a run; its value is the job id.
MARKER = "LLM_GATEWAY_JOB"
#: How long killed processes may take to disappear, in seconds.
KILL_S = 10.0
#: A search can miss a process that forks or executes at that moment. So several searches in a row must find nothing.
_EMPTY_SEARCHES = 4
_EMPTY_SEARCHES_OF_SHIM = 2  #: without a subreaper; each reads every process of the system


def descendants(*roots: int) -> list[Identity]:
    """Every running process that descends from these."""
    table = {pid: found for pid in system.pids() if (found := system.stat_of(pid))}
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(pid)
    queue = [pid for root in roots for pid in children.pop(root, ())]
    for pid in queue:  # grows during the walk; `pop`, because an inconsistent table could contain a cycle
        queue.extend(children.pop(pid, ()))
    boot = system.boot_id()
    return [Identity(pid, table[pid][2], boot) for pid in queue if table[pid][1] not in "ZX"]


def marked(job_id: str) -> list[Identity]:
    """Every running process whose environment names this job."""
    found = (identify(pid) for pid in system.pids() if carries_marker(pid, job_id))
    return [process for process in found if process]


def members(job_id: str, *roots: int, reaper: bool) -> list[Identity]:
    """Every running process of a run, without this one.

    :param roots: the shim and the agent.
    :param reaper: the shim is a subreaper: its descendants are all.
    """
    if reaper:
        return descendants(*roots)
    for _ in range(_EMPTY_SEARCHES_OF_SHIM):
        found = {process.pid: process for process in marked(job_id) if process.is_alive()}
        found.update({process.pid: process for process in descendants(*roots, *found)})
        found.pop(os.getpid(), None)
        if found:
            return list(found.values())
    return []


def carries_marker(pid: int, job_id: str) -> bool:
    """Whether the environment of a process names this job."""
    return system.has_variable(pid, f"{MARKER}={job_id}")


def signal_group(group: int, number: int) -> bool:
    """Signal the process group of an agent that is not reaped yet, or whose group has other members. False: it is empty."""
    if group <= 1 or group == os.getpgrp():
        return False
    try:
        os.killpg(group, number)
    except OSError:  # empty, or (macOS) only ended processes are left in it
        return False
    return True


def end_leftovers(job_id: str, agent: Identity | None) -> int:
    """Kill every process of a job whose shim is gone, and return their number. Blocks until they are gone, at most KILL_S.

    :param agent: the agent according to `state.json`. Ignored unless the environment of that process names the job.
    """
    killed: set[int] = set()
    deadline, empty = time.monotonic() + KILL_S, 0
    while empty < _EMPTY_SEARCHES and time.monotonic() < deadline:
        found = {process.pid: process for process in marked(job_id)}
        if agent and agent.is_alive() and carries_marker(agent.pid, job_id):
            found[agent.pid] = agent
            signal_group(agent.pid, signal.SIGKILL)
        if found:
            found.update({process.pid: process for process in descendants(*found)})
        found.pop(os.getpid(), None)
        running = {process.pid for process in found.values() if process.is_alive() and process.signal(signal.SIGKILL)}
        killed |= running
        empty = 0 if running else empty + 1
        time.sleep(0.005)
    return len(killed)
