"""The process that has imported everything, and forks: see the package. Its argument is the path of its socket."""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.metadata
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import types
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

GROUPS = "llm_gateway."
#: What an interpreter reads when it starts, and cannot be changed in a process that runs.
READ_AT_START = ("PYTHON", "LC_", "LANG", "MALLOC_", "LD_")
#: Of these, what makes no difference to a process that has its modules and flushes what it says.
NO_MATTER = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPYCACHEPREFIX")
STREAMS = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One process to fork."""

    words: list[str]
    env: dict[str, str]
    umask: int
    descriptors: list[int]  #: stdin, stdout, stderr, the directory


def import_everything() -> None:
    """The kernel, every installed plugin, and what they import late."""
    packages = {"llm_gateway"}
    for distribution in importlib.metadata.distributions():
        for entry in distribution.entry_points:
            if entry.group.startswith(GROUPS):
                packages.add(entry.module.partition(".")[0])
    for name in sorted(packages):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    importlib.import_module("anyio._backends._asyncio")
    importlib.import_module("mcp.server.stdio")


def receive(line: socket.socket) -> Request | None:
    """What a client asks for; None: it left."""
    head, descriptors, _, _ = socket.recv_fds(line, 8, 4)
    asked = b""
    while head and len(asked) < int.from_bytes(head, "big"):
        piece = line.recv(1 << 20)
        if not piece:
            break
        asked += piece
    if not asked or len(descriptors) != 4:
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    return Request(descriptors=descriptors, **json.loads(asked))


def can_fork(request: Request) -> bool:
    """Whether a fork of this process is what a start with these words and this environment would be."""

    def read_at_start(environ: Any) -> dict[str, str]:
        return {
            name: value
            for name, value in environ.items()
            if name.startswith(READ_AT_START) and not name.startswith(NO_MATTER)
        }

    plain = bool(request.words) and (request.words[0] in ("-m", "-c") or not request.words[0].startswith("-"))
    return plain and read_at_start(request.env) == read_at_start(os.environ)


class Server:
    """Forks as asked, tells each client how its process ended, and ends the process of a client that is gone."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._lines: dict[int, socket.socket] = {}  #: by pid
        self._pids: dict[socket.socket, int] = {}
        self._selector = selectors.DefaultSelector()

    def serve(self) -> Request | None:
        """None: stdin ended, and with it this server. A request: this is the forked process."""
        woken, wakes = os.pipe()
        for descriptor in (woken, wakes):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        for source in (0, woken, self._listener):
            self._selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == 0:
                    self._end_all()
                    return None
                if key.fileobj == woken:
                    with suppress(BlockingIOError):
                        os.read(woken, 4096)
                    self._reap()
                elif key.fileobj is self._listener:
                    request = self._accept()
                    if request:
                        return request
                else:
                    self._pass_on(key.fileobj)

    def _accept(self) -> Request | None:
        line, _ = self._listener.accept()
        request = receive(line)
        if not request:
            line.close()
            return None
        forks = can_fork(request)
        pid = 0
        if forks:
            pid = os.fork()
            if not pid:
                self._close(line)
                return request
            self._lines[pid] = line
            self._pids[line] = pid
            self._selector.register(line, selectors.EVENT_READ)
        for descriptor in request.descriptors:
            os.close(descriptor)
        with suppress(OSError):
            line.send(b"y" if forks else b"n")
        if not forks:
            line.close()
        return None

    def _pass_on(self, line: Any) -> None:
        try:
            numbers = line.recv(64)
        except OSError:
            numbers = b""
        pid = self._pids.get(line)
        if pid is None:
            return
        for number in numbers or [signal.SIGKILL]:  # a client that is gone was killed: so is its process
            os.kill(pid, number)
        if not numbers:
            self._selector.unregister(line)

    def _reap(self) -> None:
        while self._lines:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            line = self._lines.pop(pid, None)
            if line is None:
                continue
            del self._pids[line]
            with suppress(KeyError):
                self._selector.unregister(line)
            with suppress(OSError):
                line.send(b"%d\n" % os.waitstatus_to_exitcode(status))
            line.close()

    def _close(self, line: socket.socket) -> None:
        """In the forked process: an object that is freed later would close a descriptor that has another use by then."""
        self._selector.close()
        for one in (line, *self._lines.values()):
            one.close()

    def _end_all(self) -> None:
        for pid in self._lines:
            os.kill(pid, signal.SIGKILL)
        for pid in self._lines:
            os.waitpid(pid, 0)


def become(request: Request) -> None:
    """Make this process what an interpreter that has just started with these words would be."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.fchdir(request.descriptors[3])
    for number in range(3):
        os.dup2(request.descriptors[number], number)
    os.closerange(3, 1024)
    os.umask(request.umask)
    os.environ.clear()
    os.environ.update(request.env)
    time.tzset()
    tempfile.tempdir = None
    for number, name, mode in STREAMS:
        before = getattr(sys, name)
        stream = open(number, mode, encoding=before.encoding, errors=before.errors, closefd=False)  # noqa: SIM115
        stream.reconfigure(line_buffering=number == 2 or stream.isatty())
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def run(words: list[str]) -> None:
    """As `python WORDS` would."""
    kind, rest = words[0], words[1:]
    sys.orig_argv = [sys.executable, *words]
    if kind == "-m":
        sys.argv = rest
        try:
            sys.path[0] = os.getcwd()
        except FileNotFoundError:
            del sys.path[0]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv, sys.path[0] = ["-c", *rest[1:]], ""
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    else:
        sys.argv, sys.path[0] = words, os.path.dirname(os.path.abspath(kind))
        runpy.run_path(kind, run_name="__main__")


def exit_code(words: list[str]) -> int:
    """Run it; the code that an interpreter would end with. The interpreter's own end is left out: it frees memory."""
    code = 0
    try:
        run(words)
    except SystemExit as end:
        if isinstance(end.code, int) or end.code is None:
            code = end.code or 0
        else:
            print(end.code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    return code & 0xFF


def main() -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(64)
        import_everything()
        gc.collect()
        gc.freeze()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; the end of stdin is for this process
        os.write(1, b"ready\n")
        request = Server(listener).serve()
    if request:
        try:
            become(request)
            code = exit_code(request.words)
        except BaseException:
            traceback.print_exc()
            code = 70
        os._exit(code)


main()
