"""Fork shims on demand. Run alone: `python -I -S fork_server.py fork_server|once <descriptor> <folder>`.

Standard library only, but for the kernel's `files`, which costs as little; the folder is the one where the kernel's package lies.

A gateway keeps one of these, because a fork costs a quarter of a fresh interpreter. It has one thread, reads one message at a time
from a socket, forks, and the child is the shim: in its own session, holding the wake-up descriptor that came with the message, and
nothing else of the gateway's. It ends with its gateway (end of file); shims do not.

`once`: there is no fork server; become the shim of the one message on stdin, holding the given descriptor.
"""

from __future__ import annotations

import base64  # here, not where it is used: a fork imports nothing again
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

_HEADER = 8


def pack(folder: str, spec: dict[str, Any], env: dict[str, str], files: dict[str, bytes]) -> bytes:
    """Make the message that starts a shim: eight bytes of length, then JSON."""
    contents = {name: base64.b64encode(files[name]).decode() for name in files}
    body = {"folder": folder, "spec": spec, "env": env, "files": contents}
    data = json.dumps(body).encode("ascii")
    return len(data).to_bytes(_HEADER, "big") + data


def _unpack(data: bytes) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(data)
    body["files"] = {name: base64.b64decode(content) for name, content in body["files"].items()}
    return body


def _receive(line: socket.socket) -> tuple[bytes, int] | None:
    """Read one message and the descriptor that came with it; None: the gateway has ended."""
    from socket import recv_fds

    data, wake = b"", -1
    length = _HEADER
    while len(data) < length:
        part, fds, _, _ = recv_fds(line, min(length - len(data), 1 << 20), 1)
        if fds:
            wake = fds[0]
            os.set_inheritable(wake, False)
        if not part:
            return None
        data += part
        if length == _HEADER and len(data) == _HEADER:
            length += int.from_bytes(data, "big")
    return data[_HEADER:], wake


def main(mode: str, descriptor: int) -> None:
    """Serve until the gateway ends, or be the one shim."""
    from . import shim

    os.chdir("/")
    if mode == "once":
        os.set_inheritable(descriptor, False)
        with os.fdopen(os.dup(0), "rb") as stdin:
            message = _unpack(stdin.read()[_HEADER:])
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        shim.keep(message, descriptor)
        return

    import gc
    import signal
    import socket

    line = socket.socket(fileno=descriptor)
    line.set_inheritable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # shims are reaped by the system
    gc.collect()
    gc.freeze()  # what is never touched is never copied
    while (received := _receive(line)) is not None:
        data, wake = received
        try:
            child = os.fork()
        except OSError:  # no more processes: the closed descriptor tells the gateway
            child = -1
        if child == 0:
            try:
                os.setsid()
                line.close()
                shim.keep(_unpack(data), wake)
            finally:
                os._exit(0)
        del data, received
        if wake >= 0:
            os.close(wake)


if __name__ == "__main__":
    import importlib

    # Without `site` nothing is found that is not named here; last, so that nothing takes the standard library's place.
    sys.path += [os.path.dirname(os.path.dirname(os.path.abspath(__file__))), sys.argv[3]]
    importlib.import_module("llm_gateway_engine_local.fork_server").main(sys.argv[1], int(sys.argv[2]))
