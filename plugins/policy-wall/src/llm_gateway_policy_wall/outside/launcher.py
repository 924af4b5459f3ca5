"""Supervise one walled run: build the wall, serve its network, forward signals, exit as the agent did. Standard library only.

Run as `python -I -S launcher.py <folder of the run's files> <JSON plan> -- <command>`, in the run's environment and directory.
bubblewrap and all processes inside end with this process; this process exits with the agent's exit code or signal.
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
    # Without `site`, sys.path lacks this package. Append it last, so that it cannot replace modules of the standard library.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from llm_gateway_policy_wall.outside import mounts, proxy
from llm_gateway_policy_wall.outside.mountpoints import MountPoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CANNOT = 126  #: exit code if no wall could be built; the agent was not started
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_INFO_S = 30.0
#: Variables that give access to the user's session, which could start any program.
_NOT_INSIDE = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "DISPLAY")


def main(run_files: str, plan: dict[str, Any], argv: list[str]) -> int:
    """Run an agent behind a wall and return its exit code. If a signal ended the agent, this process ends with it, too."""
    mount_points = MountPoints()
    run = _Run(plan, dict(os.environ))
    try:
        end = run.go(run_files, argv, mount_points)
    except mounts.CannotBuild as error:
        return _give_up(str(error))
    except OSError as error:
        return _give_up(f"{error.strerror}: {error.filename}" if error.filename else str(error))
    finally:
        mount_points.release()
    return end if end >= 0 else _end_by_signal(-end)


class _Run:
    def __init__(self, plan: Mapping[str, Any], env: dict[str, str]) -> None:
        self.plan, self.env = plan, env
        self.allowed = proxy.targets(plan["hosts"], [*plan["addresses"], *proxy.known_texts(env, plan["url_env"])])
        self.proxy = proxy.Proxy(self.allowed, env)
        self.pid = 0  #: of the init process, as seen from outside of the wall
        self.ready = False
        self.pending: list[int] = []
        self.doors: list[tuple[str, int, proxy.Target]] = []
        for number in _FORWARDED:
            signal.signal(number, self._forward)

    def go(self, run_files: str, argv: list[str], mount_points: MountPoints) -> int:
        """Run until the agent ends. Return its exit code, or the number of the signal that ended it as a negative number."""
        bwrap = _absolute(self.plan["bwrap"], self.env)
        position = self.plan["program"]  # not the first element if another program starts it
        program = argv[position] if os.path.isabs(argv[position]) else _absolute(argv[position], self.env)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        info, info_end = os.pipe()
        passwd = _passwd(self.env)
        mediated = self.plan["network"] == "model-only"
        self.doors = proxy.loopback_doors(self.allowed) if mediated else []
        options = {
            "proxy": mediated,
            "doors": [(host, port) for host, port, _ in self.doors],
            "env": self._temporary(run_files),
        }
        wall = mounts.build(self.plan, self.env, program, run_files, mount_points, passwd=passwd)
        inside = [
            sys.executable,
            "-I",
            "-S",
            f"{mounts.INSIDE}/init.py",
            str(theirs.fileno()),
            json.dumps(options),
            "--",
        ]
        command = [bwrap, "--info-fd", str(info_end), *wall, *inside, *argv[:position], program, *argv[position + 1 :]]
        env = {name: value for name, value in self.env.items() if name not in _NOT_INSIDE}
        passed = (theirs.fileno(), info_end, passwd)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        with subprocess.Popen(command, env=env, pass_fds=passed, start_new_session=True) as process:
            theirs.close()
            os.close(info_end)
            self.pid = _child_pid(info)
            end = self._follow(ours)
            code = process.wait()
        self._report_refused()
        if end is None and not self.ready:
            return _give_up(f"bubblewrap ended with {code}")
        return -signal.SIGKILL if end is None else os.waitstatus_to_exitcode(end)

    def _follow(self, line: socket.socket) -> int | None:
        """Receive the listening sockets, then wait for the agent's wait status. None: the init process ended without one."""
        data, fds, _, _ = socket.recv_fds(line, 1 << 16, len(self.doors) + 1)
        if not data:
            return None
        first_line, _, rest = data.partition(b"\n")
        sockets = iter([socket.socket(fileno=fd) for fd in fds])
        opened = json.loads(first_line)
        if self.plan["network"] == "model-only" and opened.pop(0):
            self.proxy.serve(next(sockets))
        for (_, _, target), is_open in zip(self.doors, opened, strict=True):
            if is_open:
                self.proxy.forward(next(sockets), target)
        self.ready = True
        for number in self.pending:
            self._send(number)
        while not rest.endswith(b"\n"):
            piece = line.recv(4096)
            if not piece:
                return None
            rest += piece
        return int(json.loads(rest)["status"])

    def _forward(self, number: int, _frame: object) -> None:
        if self.ready:
            self._send(number)
        else:
            self.pending.append(number)

    def _send(self, number: int) -> None:
        with suppress(OSError):  # it has ended
            os.kill(self.pid, number)

    def _temporary(self, run_files: str) -> dict[str, str]:
        """Redirect temporary folders to `/tmp` of the run: the machine's folders are not visible."""
        names = [name for name in ("TMPDIR", "TMP", "TEMP") if not self.env.get(name, "").startswith(run_files)]
        return dict.fromkeys(names, "/tmp")  # noqa: S108  inside of the wall

    def _report_refused(self) -> None:
        refused = self.proxy.refused
        if refused:
            named = ", ".join(f"{name} ({count})" for name, count in sorted(refused.items())[:20])
            os.write(2, f"[wall] model-only kept closed: {named}\n".encode(errors="replace"))


def _absolute(name: str, env: Mapping[str, str]) -> str:
    """Return the absolute path of a program. Raises CannotBuild if it is not installed."""
    if os.path.isabs(name):
        folders = [""]
    else:
        folders = [folder for folder in env.get("PATH", os.defpath).split(":") if os.path.isabs(folder)]
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise mounts.CannotBuild(f"`{name}` was not found on PATH")


def _passwd(env: Mapping[str, str]) -> int:
    """Return a descriptor with the run's /etc/passwd: the run's user, root and nobody."""
    uid = os.geteuid() or mounts.UID
    name, home = env.get("USER") or env.get("LOGNAME") or "user", env.get("HOME") or "/"
    lines = [f"{'agent' if name == 'root' else name}:x:{uid}:{os.getegid() or mounts.UID}::{home}:/bin/sh"]
    lines += ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin"]
    reader, writer = os.pipe()
    os.write(writer, ("\n".join(lines) + "\n").encode(errors="surrogateescape"))
    os.close(writer)
    return reader


def _child_pid(info: int) -> int:
    """Return the process id that bubblewrap reports; 0: bubblewrap ended before."""
    report, deadline = b"", time.monotonic() + _INFO_S
    while not report.rstrip().endswith(b"}"):
        if not select.select([info], [], [], max(deadline - time.monotonic(), 0))[0]:
            break
        piece = os.read(info, 4096)
        if not piece:
            break
        report += piece
    os.close(info)
    try:
        return int(json.loads(report)["child-pid"])
    except (ValueError, KeyError):
        return 0


def _end_by_signal(number: int) -> int:
    """End this process by the signal that ended the agent."""
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _give_up(why: str) -> int:
    os.write(2, f"[wall] The run was not started: {why}\n".encode(errors="replace"))
    return CANNOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[4:]))
