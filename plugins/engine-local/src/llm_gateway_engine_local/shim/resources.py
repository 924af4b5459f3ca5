"""Apply `[limits] memory_mb`, `processes` and `cpu` to a run: by a cgroup, or by other means where there is none.

Without a cgroup the shim counts the memory and the processes of the run four times a second, so a run can exceed its limit for that
long. RLIMIT_DATA limits each process to twice the memory meanwhile, and the CPU limit is rounded up to whole cores. RLIMIT_NPROC is not
used: it counts all processes of a user. Standard library only.
"""

from __future__ import annotations

import math
import os
import time

from llm_gateway_engine_local.process import PORTABLE, system

from . import cgroup, ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MEASURE_S = 0.25
_DATA_FACTOR = 2  #: RLIMIT_DATA also counts memory that a process reserves and does not use
_CONTROLLERS = {"memory_bytes": "memory", "processes": "pids", "cpu": "cpu"}
_MB = 1 << 20


class Resources:
    """The limits of one run. Does nothing without limits."""

    def __init__(self, job_id: str, limits: Mapping[str, float | None], parents: list[str] | None = None) -> None:
        self._job_id = job_id
        self._limits = {name: value for name in _CONTROLLERS if (value := limits.get(name))}
        self.group: cgroup.Cgroup | None = None
        self.next_measure = math.inf  #: when to call `exceeded` again, on the monotonic clock
        self.exceeded_limit = ""  #: the limit that ended the run, as a sentence; empty: none
        if self._limits:
            self._set_up(job_id, parents)

    def _set_up(self, job_id: str, parents: list[str] | None) -> None:
        self.group = cgroup.make(job_id, [_CONTROLLERS[name] for name in self._limits], parents)
        if self.group is not None:
            try:
                cgroup.limit(self.group, self._limits)
            except OSError:  # this kernel lacks one of the files
                self.group.remove()
                self.group = None
        if self.group is None and ("memory_bytes" in self._limits or "processes" in self._limits):
            self.next_measure = 0.0

    def enter(self) -> None:
        """Put this process, a fork that becomes the agent, under the limits. Raises OSError."""
        if self.group is not None:
            self.group.enter()
            return
        if memory := self._limits.get("memory_bytes"):
            import resource

            resource.setrlimit(resource.RLIMIT_DATA, (int(memory * _DATA_FACTOR), int(memory * _DATA_FACTOR)))
        if (cpu := self._limits.get("cpu")) and hasattr(os, "sched_setaffinity"):
            cores = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, cores[: math.ceil(cpu)])

    def exceeded(self) -> bool:
        """Whether the run exceeds a limit that the system does not enforce. `exceeded_limit` says which."""
        now = time.monotonic()
        if now < self.next_measure:
            return False
        self.next_measure = now + _MEASURE_S
        pids = [process.pid for process in ending.members(self._job_id, os.getpid(), reaper=not PORTABLE)]
        memory, processes = self._limits.get("memory_bytes"), self._limits.get("processes")
        if processes and len(pids) > processes:
            self.exceeded_limit = f"it had more than {int(processes)} processes at once ([limits] processes)"
        elif memory and sum(map(system.private_bytes, pids)) > memory:
            self.exceeded_limit = self._memory()
        return bool(self.exceeded_limit)

    def killed_for_memory(self) -> bool:
        """Whether the system killed the run because of its memory limit."""
        if self.group is not None and not self.exceeded_limit and self.group.memory_kills():
            self.exceeded_limit = self._memory()
        return bool(self.exceeded_limit)

    def kill(self) -> None:
        """Kill every process in the run's cgroup, if there is one."""
        if self.group is not None:
            self.group.kill()

    def close(self) -> None:
        """Remove the cgroup. Call it after the run has ended."""
        if self.group is not None:
            self.group.remove()

    def _memory(self) -> str:
        return f"it needed more than {self._limits['memory_bytes'] / _MB:.0f} MB of memory ([limits] memory_mb)"


def end_group(path: object, job_id: str) -> None:
    """Kill and remove the cgroup of a run whose shim is gone."""
    group = cgroup.of_job(path, job_id)
    if group is not None:
        group.kill()
        group.remove()
