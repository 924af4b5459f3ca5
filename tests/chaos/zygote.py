"""Gateways without the interpreter's half second: a process that has imported everything once, and forks as often as asked.

What it forks are real gateways, each in a process of its own; only what every start of one would repeat is left out. Run as a
program with the number of its end of the line, it is that process.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

_MESSAGE = 1 << 18
_STARTED_S = 60.0


class Zygote:
    """The line to that process. Close it, and the process ends."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(_STARTED_S)
        with theirs, tempfile.TemporaryDirectory(prefix="zygote-") as folder:
            command = [sys.executable, __file__, str(theirs.fileno())]
            env = {**os.environ, "LLM_GATEWAY_HOME": f"{folder}/home", "LLM_GATEWAY_ECHO_HOME": f"{folder}/echo"}
            self._process = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
            theirs.close()
            if self._line.recv(_MESSAGE) != b"ready":
                raise RuntimeError("the zygote did not come to life")

    def fork(self, env: Mapping[str, str], stdin: int, stdout: int, stderr: int) -> int:
        """Fork a gateway that waits for its first line; its pid."""
        socket.send_fds(self._line, [json.dumps({"env": {**env}}).encode()], [stdin, stdout, stderr])
        return int(self._line.recv(_MESSAGE))

    def reap(self, pid: int) -> int:
        """Exit code of a process that has ended, as subprocess counts."""
        self._line.send(json.dumps({"reap": pid}).encode())
        return int(self._line.recv(_MESSAGE))

    def close(self) -> None:
        """End it. What it forked lives on."""
        self._line.close()
        self._process.wait(10)


class Forked:
    """What a gateway's driver needs of `subprocess.Popen`, for a child of the zygote."""

    def __init__(self, zygote: Zygote, env: Mapping[str, str], stderr: int) -> None:
        self._zygote = zygote
        self._code: int | None = None
        (theirs_in, ours_in), (ours_out, theirs_out) = os.pipe(), os.pipe()
        try:
            self.pid = zygote.fork(env, theirs_in, theirs_out, stderr)
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self.stdin: IO[bytes] | None = os.fdopen(ours_in, "wb", buffering=0)
        self.stdout: IO[bytes] | None = os.fdopen(ours_out, "rb", buffering=0)

    def kill(self) -> None:
        """SIGKILL, unless it was seen to have ended."""
        if self._code is None:  # until then its pid is nobody else's
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float = _STARTED_S) -> int:
        """Wait for its end; its exit code."""
        if self._code is None:
            gone = os.pidfd_open(self.pid)
            try:
                if not select.select([gone], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("a gateway", timeout)
            finally:
                os.close(gone)
            self._code = self._zygote.reap(self.pid)
        return self._code


def serve(line: socket.socket) -> None:
    """Fork and reap as told, until nobody is there to tell."""
    import anyio
    import driver

    async def once() -> None:
        """All that a gateway imports, it imports at its first request."""
        async with driver.open_gateway() as gateway:
            asked = {"prompt": "warm up", "workingDir": os.environ["LLM_GATEWAY_HOME"]}
            await gateway.call("echo_request", asked, driver.CallContext())

    anyio.run(once)
    gc.collect()
    gc.freeze()
    line.send(b"ready")
    while True:
        data, descriptors, _, _ = socket.recv_fds(line, _MESSAGE, 3)
        if not data:
            return
        message = json.loads(data)
        if "reap" in message:
            line.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(message["reap"], 0)[1]))
            continue
        if not (pid := os.fork()):
            _be_gateway(message["env"], descriptors)
        line.send(b"%d" % pid)
        for descriptor in descriptors:
            os.close(descriptor)


def _be_gateway(env: Mapping[str, str], descriptors: list[int]) -> None:
    import anyio
    import driver

    code = 1
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        os.closerange(3, 256)
        os.environ.clear()
        os.environ.update(env)
        anyio.run(driver.main)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    with socket.socket(fileno=int(sys.argv[1])) as its_line:
        serve(its_line)
