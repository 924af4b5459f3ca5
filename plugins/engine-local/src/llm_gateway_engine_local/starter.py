"""Start shims: through the gateway's fork server, or one by one where there is none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from llm_gateway.files import __file__ as kernel_file

_SEND_S = 5.0
#: Where the kernel's package lies: a process without `site` finds only what it is told.
_KERNEL = str(Path(kernel_file).parents[1])


class Starter:
    """Holds a gateway's fork server. Blocks shortly; may be used from any thread."""

    #: What is run; the mode and a descriptor's number follow.
    program: tuple[str, ...] = (sys.executable, "-I", "-S", str(Path(__file__).with_name("fork_server.py")))

    def __init__(self, *, fork_server: bool = True) -> None:
        self._wanted = fork_server and hasattr(os, "fork") and hasattr(socket, "send_fds")
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def fork_server_pid(self) -> int | None:
        """The fork server's, once there is one."""
        return self._process.pid if self._process else None

    def start(self, message: bytes, *, alone: bool = False) -> int:
        """Start a shim; the answered descriptor reads end-of-file when it is gone, or when it never came to be.

        :param alone: without the fork server, because messages were lost with it.
        """
        reader, writer = os.pipe()
        os.set_blocking(reader, False)  # each of several waiters may find that another has read
        try:
            with self._lock:
                fork_server = self._wanted and not alone
                if not (fork_server and (self._send(message, writer) or self._send(message, writer))):
                    self._start_alone(message, writer)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        return reader

    def close(self) -> None:
        """Let the fork server end. Idempotent."""
        with self._lock:
            self._drop()

    def _send(self, message: bytes, writer: int) -> bool:
        try:
            line = self._line or self._open()
            sent = socket.send_fds(line, [message[:8]], [writer])
            line.sendall(message[sent:])
        except OSError:  # the fork server is gone, or stuck: half a message may lie in its line
            self._drop()
            return False
        return True

    def _open(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = self._run("fork_server", theirs.fileno(), stdin=subprocess.DEVNULL)
        ours.settimeout(_SEND_S)
        self._line = ours
        return ours

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_SEND_S)
            if self._process.returncode is None:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _start_alone(self, message: bytes, writer: int) -> None:
        process = self._run("once", writer, stdin=subprocess.PIPE)
        # Reaped whenever it ends; a daemon, because this process may end first.
        threading.Thread(target=process.wait, name="shim's parent", daemon=True).start()
        with suppress(BrokenPipeError):
            assert process.stdin
            with process.stdin as pipe:
                pipe.write(message)

    def _run(self, mode: str, descriptor: int, *, stdin: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self.program, mode, str(descriptor), _KERNEL],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,
        )
