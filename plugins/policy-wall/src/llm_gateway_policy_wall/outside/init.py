"""The first process inside of the wall: opens listening sockets, starts the agent, forwards signals, reaps ended processes.

Run as `python -I -S init.py <descriptor> <JSON> -- <command>`. Standard library only; inside of the wall, only this file of the
package is visible. The descriptor is a socket to the supervisor outside, which receives the listening sockets, then the wait
status of the agent.
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

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_GRACE_S = 0.5
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def main(descriptor: int, options: dict[str, Any], argv: list[str]) -> int:
    """Run one agent until it ends."""
    agent = 0

    def forward(number: int, _frame: object) -> None:
        if agent:
            with suppress(OSError):
                os.killpg(agent, number)

    for number in _FORWARDED:
        signal.signal(number, forward)
    supervisor = socket.socket(fileno=descriptor)
    supervisor.set_inheritable(False)
    env = {**os.environ, **options["env"]}
    listeners = [_listen(host, port) for host, port in options["doors"]]
    if options["proxy"]:
        proxy = _listen("127.0.0.1", 0)
        listeners.insert(0, proxy)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}" if proxy else ""
        for name in _PROXIES:
            env[name] = env[name.upper()] = address
        env["no_proxy"] = env["NO_PROXY"] = "localhost,127.0.0.1,::1"
    sent = [listener.fileno() for listener in listeners if listener]
    socket.send_fds(supervisor, [json.dumps([bool(listener) for listener in listeners]).encode() + b"\n"], sent)
    for listener in listeners:
        if listener:
            listener.close()
    agent = os.fork()
    if agent == 0:
        _execute(argv, env)
    status = _wait(agent)
    _end_the_rest()
    supervisor.sendall(json.dumps({"status": status}).encode() + b"\n")
    return 0


def _listen(host: str, port: int) -> socket.socket | None:
    """Return a socket that listens inside; the supervisor accepts its connections. None: the address is not available."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        return None
    return listener


def _execute(argv: list[str], env: dict[str, str]) -> None:
    for number in _FORWARDED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.setsid()
        os.closerange(3, 256)
        os.execve(argv[0], argv, env)  # noqa: S606  argv is a list; no shell is used
    except OSError as error:
        missing = " (or its interpreter is not visible: see [wall] visible)" if error.errno == errno.ENOENT else ""
        os.write(2, f"[wall] {argv[0]} did not start: {error.strerror}{missing}\n".encode())
    os._exit(127)


def _wait(agent: int) -> int:
    """Return the agent's wait status; reap other processes that end before it."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == agent:
            return status


def _end_the_rest() -> None:
    """Send SIGTERM to the remaining processes. The kernel kills the others when this process ends."""
    try:
        os.kill(-1, signal.SIGTERM)
    except OSError:  # no process is left
        return
    deadline = time.monotonic() + _GRACE_S
    try:
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
    except ChildProcessError:
        pass


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[4:]))
