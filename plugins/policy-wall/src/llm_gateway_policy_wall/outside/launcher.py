"""Supervise one walled run: build the wall, answer its network, pass signals in, end with it. Standard library only.

Run as `python -I -S launcher.py <folder of the run's files> <JSON plan> -- <command>`, in the run's environment and directory.
bubblewrap and all behind it end with this process; this process ends as the agent did.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

if __package__ in (None, ""):
    # Without `site` nothing is found that is not named here; last, so that nothing takes the standard library's place.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from llm_gateway_policy_wall.outside import mounts, proxy
from llm_gateway_policy_wall.outside.mountpoints import MountPoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CANNOT = 126  #: exit code where no wall could be built; the agent never ran
_PASSED_IN = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_INFO_S = 30.0
#: The way into the user's session, where anything could be started.
_NOT_INSIDE = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "DISPLAY")


def main(run_files: str, plan: dict[str, Any], argv: list[str]) -> int:
    """Run an agent behind a wall; the exit code, if no signal ended it."""
    places = MountPoints()
    run = _Run(plan, dict(os.environ))
    try:
        end = run.go(run_files, argv, places)
    except mounts.CannotBuild as error:
        return _give_up(str(error))
    except OSError as error:
        return _give_up(f"{error.strerror}: {error.filename}" if error.filename else str(error))
    finally:
        places.release()
    return end if end >= 0 else _die_as(-end)


class _Run:
    def __init__(self, plan: Mapping[str, Any], env: dict[str, str]) -> None:
        self.plan, self.env = plan, env
        self.allowed = proxy.targets(plan["hosts"], [*plan["addresses"], *proxy.known_texts(env, plan["url_env"])])
        self.proxy = proxy.Proxy(self.allowed, env)
        self.pid = 0  #: the init process's, as this side of the wall sees it
        self.ready = False
        self.pending: list[int] = []
        self.doors: list[tuple[str, int, proxy.Target]] = []
        for number in _PASSED_IN:
            signal.signal(number, self._pass_in)

    def go(self, run_files: str, argv: list[str], places: MountPoints) -> int:
        """Run to the end: the agent's exit code, or the signal that ended it, as a negative number."""
        bwrap = _absolute(self.plan["bwrap"], self.env)
        program = argv[0] if os.path.isabs(argv[0]) else _absolute(argv[0], self.env)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        info, info_end = os.pipe()
        passwd = _passwd(self.env)
        mediated = self.plan["network"] == "model-only"
        self.doors = proxy.loopback_doors(self.allowed) if mediated else []
        told = {
            "proxy": mediated,
            "doors": [(host, port) for host, port, _ in self.doors],
            "env": self._temporary(run_files),
        }
        wall = mounts.build(self.plan, self.env, program, run_files, places, passwd=passwd)
        inside = [sys.executable, "-I", "-S", f"{mounts.INSIDE}/init.py", str(theirs.fileno()), json.dumps(told), "--"]
        command = [bwrap, "--info-fd", str(info_end), *wall, *inside, program, *argv[1:]]
        env = {name: value for name, value in self.env.items() if name not in _NOT_INSIDE}
        passed = (theirs.fileno(), info_end, passwd)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        with subprocess.Popen(command, env=env, pass_fds=passed, start_new_session=True) as process:
            theirs.close()
            os.close(info_end)
            self.pid = _child_pid(info)
            end = self._follow(ours)
            code = process.wait()
        self._tell()
        if end is None and not self.ready:
            return _give_up(f"bubblewrap ended with {code}")
        return -signal.SIGKILL if end is None else os.waitstatus_to_exitcode(end)

    def _follow(self, line: socket.socket) -> int | None:
        """Take over the doors, then wait for word of the agent's end: its wait status; None: the inside is gone."""
        data, fds, _, _ = socket.recv_fds(line, 1 << 16, len(self.doors) + 1)
        if not data:
            return None
        words, _, rest = data.partition(b"\n")
        sockets = iter([socket.socket(fileno=fd) for fd in fds])
        opened = json.loads(words)
        if self.plan["network"] == "model-only" and opened.pop(0):
            self.proxy.serve(next(sockets))
        for (_, _, target), is_open in zip(self.doors, opened, strict=True):
            if is_open:
                self.proxy.lead(next(sockets), target)
        self.ready = True
        for number in self.pending:
            self._send(number)
        while not rest.endswith(b"\n"):
            piece = line.recv(4096)
            if not piece:
                return None
            rest += piece
        return int(json.loads(rest)["status"])

    def _pass_in(self, number: int, _frame: object) -> None:
        if self.ready:
            self._send(number)
        else:
            self.pending.append(number)

    def _send(self, number: int) -> None:
        with suppress(OSError):  # it has ended
            os.kill(self.pid, number)

    def _temporary(self, run_files: str) -> dict[str, str]:
        """Temporary folders of the machine's are not there; the run's own are."""
        names = [name for name in ("TMPDIR", "TMP", "TEMP") if not self.env.get(name, "").startswith(run_files)]
        return dict.fromkeys(names, "/tmp")  # noqa: S108  the run's own

    def _tell(self) -> None:
        if refused := self.proxy.refused:
            named = ", ".join(f"{name} ({count})" for name, count in sorted(refused.items())[:20])
            os.write(2, f"[wall] model-only kept closed: {named}\n".encode(errors="replace"))


def _absolute(name: str, env: Mapping[str, str]) -> str:
    """A program by its absolute path. Raises CannotBuild: it is not installed."""
    folders = (
        [""] if os.path.isabs(name) else [one for one in env.get("PATH", os.defpath).split(":") if os.path.isabs(one)]
    )
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise mounts.CannotBuild(f"`{name}` was not found on PATH")


def _passwd(env: Mapping[str, str]) -> int:
    """A descriptor of the run's /etc/passwd: its own user and those every system has, nobody else."""
    uid = os.geteuid() or mounts.UID
    name, home = env.get("USER") or env.get("LOGNAME") or "user", env.get("HOME") or "/"
    lines = [f"{'agent' if name == 'root' else name}:x:{uid}:{os.getegid() or mounts.UID}::{home}:/bin/sh"]
    lines += ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"]
    reader, writer = os.pipe()
    os.write(writer, ("\n".join(lines) + "\n").encode(errors="surrogateescape"))
    os.close(writer)
    return reader


def _child_pid(info: int) -> int:
    """The process id that bubblewrap tells; 0: it ended before."""
    said, deadline = b"", time.monotonic() + _INFO_S
    while not said.rstrip().endswith(b"}"):
        if not select.select([info], [], [], max(deadline - time.monotonic(), 0))[0]:
            break
        piece = os.read(info, 4096)
        if not piece:
            break
        said += piece
    os.close(info)
    try:
        return int(json.loads(said)["child-pid"])
    except (ValueError, KeyError):
        return 0


def _die_as(number: int) -> int:
    """End by a signal, as the agent did."""
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _give_up(why: str) -> int:
    os.write(2, f"[wall] The run was not started: {why}\n".encode(errors="replace"))
    return CANNOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[4:]))
