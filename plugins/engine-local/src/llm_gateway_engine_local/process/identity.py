"""The identity of a process: its id, its start time and the boot. An id alone is soon given to another process."""

from __future__ import annotations

import os
import signal

from . import system

_MOST_PID = 1 << 31


class Identity:
    """One process. Never equal to a later process with the same id."""

    __slots__ = ("boot", "pid", "start")

    def __init__(self, pid: int, start: str, boot: str) -> None:
        self.pid, self.start, self.boot = pid, start, boot

    def to_dict(self) -> dict[str, str | int]:
        """The form that `state.json` holds."""
        return {"pid": self.pid, "start": self.start, "boot": self.boot}

    @classmethod
    def from_dict(cls, data: object) -> Identity | None:
        """Read what `to_dict` returned. None for anything else, which an agent may have written."""
        if not isinstance(data, dict):
            return None
        pid, start, boot = data.get("pid"), data.get("start"), data.get("boot")
        if isinstance(pid, int) and 1 < pid < _MOST_PID and isinstance(start, str) and isinstance(boot, str):
            return cls(pid, start, boot)
        return None

    def is_alive(self) -> bool:
        """Whether this process is running. A process that ended and is not reaped yet is not."""
        found = system.stat_of(self.pid)
        return found is not None and found[1] != "Z" and found[2] == self.start and system.boot_id() == self.boot

    def open(self) -> int | None:
        """Open a pidfd of this process. None: it is gone. Raises OSError where there are no pidfds."""
        fd = system.open_process(self.pid)
        if fd is None or self.is_alive():
            return fd
        os.close(fd)
        return None

    def signal(self, number: int) -> bool:
        """Send a signal to this process. False: it is gone, is this process itself, or belongs to another user."""
        if self.pid <= 1 or self.pid == os.getpid():
            return False
        try:
            try:
                fd = self.open()
            except OSError:  # no pidfds: signal by id
                if not self.is_alive():
                    return False
                os.kill(self.pid, number)
                return True
            if fd is None:
                return False
            try:
                signal.pidfd_send_signal(fd, number)
            finally:
                os.close(fd)
        except OSError:  # gone meanwhile, or another user's
            return False
        return True


def identify(pid: int, boot: str | None = None) -> Identity | None:
    """The process that has this id now. None: there is none.

    :param boot: the result of `system.boot_id`, for callers that identify several processes.
    """
    found = system.stat_of(pid)
    return Identity(pid, found[2], system.boot_id() if boot is None else boot) if found else None
