"""Who a process is: its id, when it started, and in which boot. An id alone is soon somebody else's.

Standard library only. Where there is no /proc, `ps` tells the start to the second: a process that dies and whose id is given away
again within that second cannot be told apart there.
"""

from __future__ import annotations

import errno
import os
import signal

PROC = "/proc"
_MOST_PID = 1 << 31


class Identity:
    """One process, for all time."""

    __slots__ = ("boot", "pid", "start")

    def __init__(self, pid: int, start: str, boot: str) -> None:
        self.pid, self.start, self.boot = pid, start, boot

    def to_dict(self) -> dict[str, str | int]:
        """As it stands in `state.json`."""
        return {"pid": self.pid, "start": self.start, "boot": self.boot}

    @classmethod
    def from_dict(cls, data: object) -> Identity | None:
        """Read what `to_dict` gave; None for anything else, which an agent may have written."""
        if not isinstance(data, dict):
            return None
        pid, start, boot = data.get("pid"), data.get("start"), data.get("boot")
        if isinstance(pid, int) and 1 < pid < _MOST_PID and isinstance(start, str) and isinstance(boot, str):
            return cls(pid, start, boot)
        return None

    def is_alive(self) -> bool:
        """Say whether this very process lives; one that is dead and only not yet reaped does not."""
        found = stat_of(self.pid)
        return found is not None and found[1] != "Z" and found[2] == self.start and boot_id() == self.boot

    def open(self) -> int | None:
        """Open a pidfd of this very process. None: it is gone. OSError: none can be had here."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        except (AttributeError, ValueError) as error:
            raise OSError(errno.ENOSYS, "no pidfd") from error
        if self.is_alive():
            return fd
        os.close(fd)
        return None

    def signal(self, number: int) -> bool:
        """Send a signal to this very process; False: it is gone, or must not be touched."""
        if self.pid <= 1 or self.pid == os.getpid():
            return False
        try:
            try:
                fd = self.open()
            except OSError:  # by its number, then
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
    """Say who has this id now; None: nobody. `boot`: what `boot_id` says, for who asks more than once."""
    found = stat_of(pid)
    return Identity(pid, found[2], boot_id() if boot is None else boot) if found else None


def stat_of(pid: int) -> tuple[int, str, str] | None:
    """Parent, state and start of a process; None: there is none."""
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may hold anything
        return int(fields[1]), chr(fields[0][0]), fields[19].decode()
    except (OSError, IndexError):
        return _ask_ps(pid) if not has_proc() else None


def has_proc() -> bool:
    """Say whether this system shows its processes as files."""
    return os.path.exists(f"{PROC}/self/stat")


def boot_id() -> str:
    """Name this boot; empty where starts are told in wall-clock time and so need no boot."""
    try:
        with open(f"{PROC}/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def _ask_ps(pid: int) -> tuple[int, str, str] | None:
    fields = ask_ps(pid, "ppid=,state=,lstart=").split(None, 2)
    return (int(fields[0]), fields[1][0], fields[2].strip()) if len(fields) == 3 else None


def ask_ps(pid: int, columns: str, *flags: str) -> str:
    """What `ps` says of a process; empty when there is none. `ps eww` adds the environment to the command."""
    import subprocess

    from llm_gateway.programs import find_executable

    ps = find_executable("ps", os.environ)
    if ps is None:
        return ""
    argv = [ps, *flags, "-o", columns, "-p", str(pid)]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return answer.stdout
