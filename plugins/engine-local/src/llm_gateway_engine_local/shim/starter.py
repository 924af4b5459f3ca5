"""Start shims: through the gateway's fork server, or each in a new interpreter."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from llm_gateway import OWNER
from llm_gateway.files import __file__ as kernel_file
from llm_gateway_engine_local.process import PORTABLE

from . import fork_server

_SEND_S = 5.0
#: The folders of the kernel's package and of psutil: a process without `site` does not find them.
_FOLDERS = [str(Path(kernel_file).parents[1])]
if PORTABLE:
    import psutil

    _FOLDERS.append(str(Path(psutil.__file__).parents[1]))


class Starter:
    """Owns a gateway's fork server. Methods block shortly, and may be called from any thread."""

    #: The command; the mode, the number of a descriptor and the folders of packages follow.
    program: tuple[str, ...] = (sys.executable, "-I", "-S", str(Path(__file__).with_name("fork_server.py")))

    def __init__(self, *, fork_server: bool = True) -> None:
        self._use_fork_server = fork_server and hasattr(os, "fork") and hasattr(socket, "send_fds")
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def fork_server_pid(self) -> int | None:
        """The process id of the fork server. None: it is not running."""
        return self._process.pid if self._process else None

    def start(self, message: bytes, *, alone: bool = False) -> int:
        """Start a shim. The returned descriptor reads end-of-file when the shim is gone or could not be started.

        :param alone: do not use the fork server, because messages were lost with it.
        """
        reader, writer = os.pipe()
        os.set_blocking(reader, False)  # several waiters read it: another may have been faster
        try:
            with self._lock:
                fork_server = self._use_fork_server and not alone
                if not (fork_server and (self._send(message, writer) or self._send(message, writer))):
                    self._start_alone(message, writer)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        return reader

    def close(self) -> None:
        """End the fork server. Idempotent."""
        with self._lock:
            self._drop()

    def _send(self, message: bytes, writer: int) -> bool:
        try:
            connection = self._connection or self._open()
            sent = socket.send_fds(connection, [message[:8]], [writer])
            connection.sendall(message[sent:])
        except OSError:  # the fork server is gone or stuck: half a message may be in the connection
            self._drop()
            return False
        return True

    def _open(self) -> socket.socket:
        parent, child = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with child:
            self._process = self._run("fork_server", child.fileno(), stdin=subprocess.DEVNULL)
        parent.settimeout(_SEND_S)
        self._connection = parent
        return parent

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(OSError):  # it is gone, or a message was sent in part
                self._connection.send(fork_server.GOODBYE)
            self._connection.close()
            self._connection = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_SEND_S)
            if self._process.returncode is None:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _start_alone(self, message: bytes, writer: int) -> None:
        process = self._run("once", writer, stdin=subprocess.PIPE)
        # This thread reaps the process. A daemon thread, because the gateway may end first.
        threading.Thread(target=process.wait, name="reap a shim", daemon=True).start()
        with suppress(BrokenPipeError):
            assert process.stdin
            with process.stdin as pipe:
                pipe.write(message)

    def _run(self, mode: str, descriptor: int, *, stdin: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self.program, mode, str(descriptor), *_FOLDERS],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name != OWNER},  # runs outlive the gateway
            pass_fds=(descriptor,),
            start_new_session=True,
        )
