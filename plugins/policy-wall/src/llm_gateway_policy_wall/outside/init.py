"""The first process inside of the wall: opens the doors of the network, starts the agent, passes signals on, buries the dead.

Run as `python -I -S init.py <descriptor> <JSON> -- <command>`. Standard library only; this one file is all that is visible of
the wall. The descriptor is a socket to the supervisor outside: it gets the listening sockets, then how the agent ended.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_GENTLE_S = 0.5
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def main(descriptor: int, told: dict[str, Any], argv: list[str]) -> int:
    """Run one agent to its end."""
    agent = 0

    def pass_on(number: int, _frame: object) -> None:
        if agent:
            with suppress(OSError):
                os.killpg(agent, number)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    line = socket.socket(fileno=descriptor)
    line.set_inheritable(False)
    env = {**os.environ, **told["env"]}
    doors = [_door(host, port) for host, port in told["doors"]]
    if told["proxy"]:
        front = _door("127.0.0.1", 0)
        doors.insert(0, front)
        address = f"http://127.0.0.1:{front.getsockname()[1]}" if front else ""
        for name in _PROXIES:
            env[name] = env[name.upper()] = address
        env["no_proxy"] = env["NO_PROXY"] = "localhost,127.0.0.1,::1"
    sent = [door.fileno() for door in doors if door]
    socket.send_fds(line, [json.dumps([bool(door) for door in doors]).encode() + b"\n"], sent)
    for door in doors:
        if door:
            door.close()
    agent = os.fork()
    if agent == 0:
        _become(argv, env)
    status = _wait(agent)
    _end_the_rest()
    line.sendall(json.dumps({"status": status}).encode() + b"\n")
    return 0


def _door(host: str, port: int) -> socket.socket | None:
    """A socket that listens here and is answered outside; None: this address cannot be had."""
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((host, port))
        door.listen(128)
    except OSError:
        door.close()
        return None
    return door


def _become(argv: list[str], env: dict[str, str]) -> None:
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.setsid()
        os.closerange(3, 256)
        os.execve(argv[0], argv, env)  # noqa: S606  argv is a list; no shell stands between
    except OSError as error:
        missing = " (or its interpreter is not visible: see [wall] visible)" if error.errno == errno.ENOENT else ""
        os.write(2, f"[wall] {argv[0]} did not start: {error.strerror}{missing}\n".encode())
    os._exit(127)


def _wait(agent: int) -> int:
    """The agent's wait status; others that end meanwhile are buried."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == agent:
            return status


def _end_the_rest() -> None:
    """Ask whoever is left to end; the kernel kills the rest with this process."""
    try:
        os.kill(-1, signal.SIGTERM)
    except OSError:  # nobody is left
        return
    deadline = time.monotonic() + _GENTLE_S
    try:
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[4:]))
