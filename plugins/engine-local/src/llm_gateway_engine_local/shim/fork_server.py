"""Fork shims on demand. Run alone: `python -I -S fork_server.py fork_server|once <descriptor> <kernel folder> [<psutil's folder>]`.

Each gateway has one fork server, because a fork costs a quarter of a new interpreter. It has one thread. It reads one message at a time
from a socket and forks; the child becomes the shim, in its own session, with the descriptor that came with the message and nothing else
of the gateway. The fork server ends with its gateway (end of file); shims do not.

`once`: there is no fork server. Become the shim of the one message on stdin, with the given descriptor.

Standard library, `llm_gateway.files`, `.leases` and `.owned_processes` only. The kernel folder is the one that contains the package `llm_gateway`.
"""

from __future__ import annotations

import base64  # here, not where it is used: a forked child should import nothing again
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

_HEADER = 8
#: In place of a message: the gateway has ended what it started for itself, and the fork server ends without looking.
GOODBYE = bytes(_HEADER)
#: How long a killed gateway may take to disappear, in seconds.
_GONE_S = 2.0


def pack(folder: str, spec: dict[str, Any], env: dict[str, str], files: dict[str, bytes]) -> bytes:
    """Make the message that starts a shim: the length in eight bytes (big-endian), then JSON."""
    contents = {name: base64.b64encode(files[name]).decode() for name in files}
    body = {"folder": folder, "spec": spec, "env": env, "files": contents}
    data = json.dumps(body).encode("ascii")
    return len(data).to_bytes(_HEADER, "big") + data


def _unpack(data: bytes) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(data)
    body["files"] = {name: base64.b64decode(content) for name, content in body["files"].items()}
    return body


def _receive(connection: socket.socket) -> tuple[bytes, int] | None:
    """Read one message and the descriptor that came with it. None: the gateway has ended."""
    from socket import recv_fds

    data, status_fd = b"", -1
    length = _HEADER
    while len(data) < length:
        part, fds, _, _ = recv_fds(connection, min(length - len(data), 1 << 20), 1)
        if fds:
            status_fd = fds[0]
            os.set_inheritable(status_fd, False)
        if not part:
            return None
        data += part
        if length == _HEADER and len(data) == _HEADER:
            length += int.from_bytes(data, "big")
    return data[_HEADER:], status_fd


def main(mode: str, descriptor: int) -> None:
    """Serve until the gateway ends (`fork_server`), or become the one shim (`once`)."""
    from llm_gateway_engine_local.process import system

    from . import shim

    os.chdir("/")
    if mode == "once":
        os.set_inheritable(descriptor, False)
        with os.fdopen(os.dup(0), "rb") as stdin:
            message = _unpack(stdin.read()[_HEADER:])
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        shim.run_shim(message, descriptor)
        return

    import gc
    import signal
    import socket

    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps the shims
    system.prepare_forks()
    gc.collect()
    gc.freeze()  # the collector never writes to these objects, so a fork shares their pages
    gateway = os.getppid()
    while (received := _receive(connection)) is not None:
        data, status_fd = received
        if not data:
            return
        try:
            child = os.fork()
        except OSError:  # no more processes: the closed descriptor tells the gateway
            child = -1
        if child == 0:
            try:
                os.setsid()
                connection.close()
                shim.run_shim(_unpack(data), status_fd)
            finally:
                os._exit(0)
        del data, received
        if status_fd >= 0:
            os.close(status_fd)
    _end_abandoned(gateway)


def _end_abandoned(gateway: int) -> None:
    """Kill what a killed gateway ran for itself. Its sockets are closed before it is gone."""
    import time

    from llm_gateway import end_abandoned

    deadline = time.monotonic() + _GONE_S
    while os.getppid() == gateway and time.monotonic() < deadline:
        time.sleep(0.01)
    end_abandoned()


if __name__ == "__main__":
    import importlib

    # Without `site`, only these folders are searched besides the standard library. They come last, so that nothing replaces it.
    # `-I` keeps the folder of this file out of the path.
    sys.path += [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), *sys.argv[3:]]
    importlib.import_module("llm_gateway_engine_local.shim.fork_server").main(sys.argv[1], int(sys.argv[2]))
