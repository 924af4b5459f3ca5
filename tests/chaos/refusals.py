"""System calls that the system refuses: a failing disk, a read that finds no descriptor, without anything inside the program.

The kernel itself asks us about each call of the chosen kinds (seccomp's user notification), and gives the program our error in
place of carrying it out. Linux alone; no compiler, no rights. Run as a program, it puts itself under the filter, hands over
the listener and becomes what it is told to be; what that starts is under the filter too.
"""

from __future__ import annotations

import array  # noqa: F401  send_fds imports it, and may open nothing any more then
import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

_NUMBERS = {
    "x86_64": (0xC000003E, 317, {"write": 1, "pwrite64": 18, "fsync": 74, "fdatasync": 75, "openat": 257}),
    "aarch64": (0xC00000B7, 277, {"write": 64, "pwrite64": 68, "fsync": 82, "fdatasync": 83, "openat": 56}),
}
_ARCH, _SECCOMP, CALLS = _NUMBERS[platform.machine()]
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_ALLOW, _ASK, _CONTINUE = 0x7FFF0000, 0x7FC00000, 1
_AT_CWD = (1 << 32) - 100

#: Given the name of a system call and the path it is about: the errno to refuse it with, or 0.
Judge = Callable[[str, str], int]


class Refusals:
    """Decides about the calls of every process that was started under it. Close it after the last of them has ended."""

    def __init__(self, *calls: str) -> None:
        self.judge: Judge = lambda call, path: 0
        self.refused: list[tuple[str, str]] = []
        self.news = threading.Condition()  #: something more was refused
        self._ours, self.theirs = socket.socketpair()
        self._listeners: list[int] = []
        self._threads: list[threading.Thread] = []
        self.command = [sys.executable, __file__, str(self.theirs.fileno()), ",".join(calls)]
        self._thread = threading.Thread(target=self._take_listeners)
        self._thread.start()

    def close(self) -> None:
        """Stop deciding."""
        self.theirs.close()
        for thread in [self._thread, *self._threads]:
            thread.join(20)
        self._ours.close()
        for listener in self._listeners:
            os.close(listener)

    def _take_listeners(self) -> None:
        while True:
            data, descriptors, _, _ = socket.recv_fds(self._ours, 1, 1)
            if not data:
                return
            self._listeners += descriptors
            self._threads.append(threading.Thread(target=self._decide, args=descriptors))
            self._threads[-1].start()

    def _decide(self, listener: int) -> None:
        names = {number: name for name, number in CALLS.items()}
        while True:
            _, event = _poll(listener)
            if not event & select.POLLIN:
                return  # the last process under it is gone
            asked = bytearray(80)
            with suppress(FileNotFoundError):  # the client has ended
                fcntl.ioctl(listener, _RECEIVE, asked)
                number, pid, _, call, _, _, *arguments = struct.unpack("=QIIiIQ6Q", asked)
                name, error = names[call], 0
                with suppress(OSError):
                    path = _path_of(pid, name, arguments)
                    if error := self.judge(name, path):
                        with self.news:
                            self.refused.append((name, path))
                            self.news.notify_all()
                answer = struct.pack("=QqiI", number, 0, -error, 0 if error else _CONTINUE)
                fcntl.ioctl(listener, _SEND, bytearray(answer))


def _poll(listener: int) -> tuple[int, int]:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    return poll.poll()[0]


def _path_of(pid: int, name: str, arguments: list[int]) -> str:
    if name != "openat":
        return os.readlink(f"/proc/{pid}/fd/{arguments[0]}")
    folder = "cwd" if arguments[0] & 0xFFFFFFFF == _AT_CWD else f"fd/{arguments[0]}"
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        path = os.fsdecode(os.pread(memory, 4096, arguments[1]).partition(b"\0")[0])
    finally:
        os.close(memory)
    return path if path.startswith("/") else os.path.join(os.readlink(f"/proc/{pid}/{folder}"), path)


def _become(line: int, calls: list[str], argv: list[str]) -> None:
    numbers = [CALLS[call] for call in calls]
    lines = [(0x20, 0, 0, 4), (0x15, 0, len(numbers) + 1, _ARCH), (0x20, 0, 0, 0)]
    lines += [(0x15, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    lines += [(0x06, 0, 0, _ALLOW), (0x06, 0, 0, _ASK)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in lines))
    program = struct.pack("@HP", len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    with socket.socket(fileno=line) as ours:
        listener = libc.syscall(_SECCOMP, 1, 8, program)
        if listener < 0:
            raise OSError(ctypes.get_errno(), "the system lets nobody judge its calls")
        socket.send_fds(ours, [b"l"], [listener])
    os.close(listener)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:])
