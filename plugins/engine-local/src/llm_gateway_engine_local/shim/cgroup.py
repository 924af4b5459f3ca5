"""A control group (cgroup v2) for one run: limits that hold for all its processes together, and one way to kill them all.

The group is created inside the gateway's own group or one of its ancestors: the nearest where this user may create one and the
controllers are available. A group that has processes of its own cannot enable controllers for groups inside it. Standard library only.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress

from llm_gateway_engine_local.process import PORTABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "llm-gateway-"
_PERIOD_US = 100_000
_GONE_S = 2.0


class Cgroup:
    """The group of one run."""

    def __init__(self, path: str) -> None:
        self.path = path

    def set(self, name: str, value: object) -> None:
        """Write one of its files. Raises OSError."""
        with open(os.path.join(self.path, name), "w") as file:
            file.write(str(value))

    def enter(self) -> None:
        """Move this process into it. The processes that it starts are in it, too. Raises OSError."""
        self.set("cgroup.procs", 0)

    def kill(self) -> bool:
        """Kill every process in it, also those that start meanwhile (Linux 5.14). False: this system cannot."""
        try:
            self.set("cgroup.kill", 1)
        except OSError:
            return False
        return True

    def memory_kills(self) -> int:
        """How often the system killed a process because of this group's memory limit."""
        with suppress(OSError), open(os.path.join(self.path, "memory.events")) as file:
            counts = dict(line.split() for line in file)
            return int(counts.get("oom_kill", 0))
        return 0

    def remove(self) -> None:
        """Remove it and the groups inside it, once its last process is gone. Gives up after `_GONE_S` seconds."""
        deadline = time.monotonic() + _GONE_S
        while True:
            for folder, _, _ in os.walk(self.path, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
            if not os.path.isdir(self.path) or time.monotonic() > deadline:
                return
            time.sleep(0.01)


def make(job_id: str, controllers: Iterable[str], parents: Iterable[str] | None = None) -> Cgroup | None:
    """Create the group of a job where these controllers are available. None: there is no such place.

    :param parents: where to try. Default: the result of `places`.
    """
    wanted = frozenset(controllers)
    for parent in places() if parents is None else parents:
        if not _offers(parent, wanted):
            continue
        path = os.path.join(parent, PREFIX + job_id)
        try:
            os.mkdir(path, 0o755)
        except OSError:  # not writable, or this job has had one
            continue
        return Cgroup(path)
    return None


def limit(group: Cgroup, limits: Mapping[str, float | None]) -> None:
    """Set `memory_bytes`, `processes` and `cpu` (cores). Raises OSError."""
    if memory := limits.get("memory_bytes"):
        group.set("memory.max", int(memory))
        group.set("memory.oom.group", 1)  # kill the whole run, not one of its processes
        with suppress(OSError):  # a system without swap has no such file
            group.set("memory.swap.max", 0)
    if processes := limits.get("processes"):
        group.set("pids.max", int(processes))
    if cpu := limits.get("cpu"):
        group.set("cpu.max", f"{int(cpu * _PERIOD_US)} {_PERIOD_US}")


def of_job(path: object, job_id: str) -> Cgroup | None:
    """The group that a job's `state.json` names. None: it is not that job's group; an agent may have written there."""
    if (
        PORTABLE
        or not isinstance(path, str)
        or os.path.basename(path) != PREFIX + job_id
        or path != os.path.realpath(path)
    ):
        return None
    mount = _mount()
    return Cgroup(path) if mount and path.startswith(mount + os.sep) and os.path.isdir(path) else None


def places() -> list[str]:
    """Where a group could be created: this process's own group, then its ancestors up to the root."""
    if PORTABLE:
        return []
    mount, own = _mount(), _own()
    if mount is None or own is None:
        return []
    found = [mount + own.rstrip("/")]
    while len(found[-1]) > len(mount):
        found.append(os.path.dirname(found[-1]))
    return found


def _offers(parent: str, wanted: frozenset[str]) -> bool:
    """Whether groups created here have these controllers. Enables them if that is allowed."""
    if wanted <= _words(parent, "cgroup.subtree_control"):
        return os.path.isdir(parent)
    if not wanted <= _words(parent, "cgroup.controllers"):
        return False
    with suppress(OSError):  # it has processes of its own, or is not writable
        with open(os.path.join(parent, "cgroup.subtree_control"), "w") as file:
            file.write(" ".join(f"+{name}" for name in sorted(wanted)))
        return wanted <= _words(parent, "cgroup.subtree_control")
    return False


def _words(folder: str, name: str) -> frozenset[str]:
    with suppress(OSError), open(os.path.join(folder, name)) as file:
        return frozenset(word.lstrip("+") for word in file.read().split())
    return frozenset()


def _mount() -> str | None:
    """Where cgroup v2 is mounted."""
    with suppress(OSError), open("/proc/self/mountinfo") as file:
        for line in file:
            before, _, after = line.partition(" - ")
            if after.startswith("cgroup2 "):
                place = before.split()[4]
                return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place)
    return None


def _own() -> str | None:
    with suppress(OSError), open("/proc/self/cgroup") as file:
        for line in file:
            if line.startswith("0::"):
                path = line[3:].rstrip("\n").removesuffix(" (deleted)")
                return path if path.startswith("/") and ".." not in path.split("/") else None
    return None
