"""Hold a run to `[limits] memory_mb`, `processes` and `cpu`: by a cgroup, or by what the system offers without one.

Without a cgroup the shim adds up the memory and the number of all processes four times a second, so that a run can exceed its limit
for that long; RLIMIT_DATA keeps each process from more than twice the memory meanwhile, and CPU time is held to whole cores. RLIMIT_NPROC
is of no use: it counts all processes of a user. Standard library only.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress

from . import cgroup, ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOK_S = 0.25
_SPARE = 2  #: what a process reserves and does not use counts for its RLIMIT_DATA
_CONTROLLERS = {"memory_bytes": "memory", "processes": "pids", "cpu": "cpu"}
_MB = 1 << 20


class Resources:
    """The limits of one run. Without any it does nothing."""

    def __init__(self, job_id: str, limits: Mapping[str, float | None], parents: list[str] | None = None) -> None:
        self._limits = {name: value for name in _CONTROLLERS if (value := limits.get(name))}
        self.group: cgroup.Cgroup | None = None
        self.next_look = math.inf  #: when `exceeded` should be asked again, by the monotonic clock
        self.told = ""  #: which limit ended the run
        if self._limits:
            self._set_up(job_id, parents)

    def _set_up(self, job_id: str, parents: list[str] | None) -> None:
        self.group = cgroup.make(job_id, [_CONTROLLERS[name] for name in self._limits], parents)
        if self.group is not None:
            try:
                cgroup.limit(self.group, self._limits)
            except OSError:  # a file that this kernel lacks
                self.group.remove()
                self.group = None
        if self.group is None and ("memory_bytes" in self._limits or "processes" in self._limits):
            self.next_look = 0.0

    def enter(self) -> None:
        """Put this process, a fork that becomes the agent, under the limits. Raises OSError."""
        if self.group is not None:
            self.group.enter()
            return
        if memory := self._limits.get("memory_bytes"):
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (int(memory * _SPARE), int(memory * _SPARE)))
        if (cpu := self._limits.get("cpu")) and hasattr(os, "sched_setaffinity"):
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, cores[: math.ceil(cpu)])

    def exceeded(self) -> bool:
        """Look whether the run is over a limit, where nobody else does; `told` says which."""
        now = time.monotonic()
        if now < self.next_look:
            return False
        self.next_look = now + _LOOK_S
        pids = [who.pid for who in ending.descendants(os.getpid())]
        memory, processes = self._limits.get("memory_bytes"), self._limits.get("processes")
        if processes and len(pids) > processes:
            self.told = f"it had more than {int(processes)} processes at once ([limits] processes)"
        elif memory and sum(map(_private_bytes, pids)) > memory:
            self.told = self._memory()
        return bool(self.told)

    def killed_for_memory(self) -> bool:
        """Whether the system ended the run for its memory limit."""
        if self.group is not None and not self.told and self.group.memory_kills():
            self.told = self._memory()
        return bool(self.told)

    def kill(self) -> None:
        """Kill all of the run, where a group can."""
        if self.group is not None:
            self.group.kill()

    def close(self) -> None:
        """Let go of the group: the run is over."""
        if self.group is not None:
            self.group.remove()

    def _memory(self) -> str:
        return f"it needed more than {self._limits['memory_bytes'] / _MB:.0f} MB of memory ([limits] memory_mb)"


def end_group(path: object, job_id: str) -> None:
    """Kill and remove the group of a run whose shim is gone."""
    if (group := cgroup.of_job(path, job_id)) is not None:
        group.kill()
        group.remove()


def _private_bytes(pid: int) -> int:
    """What a process holds in memory for itself alone, without files that others share."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
