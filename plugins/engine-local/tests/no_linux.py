"""Find every use of what only Linux has: /proc, pidfds, inotify, prctl, control groups.

`forbid` watches one process: each use by this project's code fails with ENOSYS and is noted in a file. psutil, watchfiles, the standard
library and tests may use what they like. Run as a program, this file watches a fork server and its shims:
`python -I -S no_linux.py <fork_server.py> <its arguments>`.
"""

from __future__ import annotations

import errno
import os
import re
import runpy
import signal
import sys

#: The variable with the file of the uses that were found.
VARIABLE = "NO_LINUX_USES"
#: The innermost frame that one of these matches decides who uses a feature.
_OURS = re.compile(r"/src/llm_gateway(?!_testing)|/site-packages/llm_gateway(?!_testing)")
_OTHERS = re.compile(r"/(psutil|watchfiles|asyncio|tests|llm_gateway_testing)/")
_PLACES = ("/proc/", "/sys/fs/cgroup")
_EVENTS = {"open", "os.chmod", "os.chdir", "socket.bind", "socket.connect", "socket.sendto"}
_FUNCTIONS = ("prctl", "inotify_", "syscall", "pidfd_")


def forbid() -> None:
    """Watch this process and all that it forks, and let its fork server be watched. There is no way back."""
    found = os.environ.get(VARIABLE, "")
    if not found:
        return
    record = _Record(found)
    sys.addaudithook(record.audit)
    for name in ("stat", "lstat", "readlink", "access"):
        _replace(name, record.checked(getattr(os, name)))
    if hasattr(os, "pidfd_open"):
        os.pidfd_open = record.refused("pidfd_open", os.pidfd_open)
        signal.pidfd_send_signal = record.refused("pidfd_send_signal", signal.pidfd_send_signal)


def watch_starter() -> None:
    """Have every starter of this process start a watched fork server."""
    from llm_gateway_engine_local.shim.starter import Starter

    *python, fork_server = Starter.program
    if __file__ not in python:
        Starter.program = (*python, __file__, fork_server)


def uses() -> list[str]:
    """What was found until now; the next call returns only what is found after this one."""
    try:
        with open(os.environ[VARIABLE], "r+") as file:
            lines = file.read().splitlines()
            file.truncate(0)
            return sorted(set(lines))
    except FileNotFoundError:
        return []


class _Record:
    def __init__(self, path: str) -> None:
        self._path = path

    def audit(self, event: str, arguments: tuple) -> None:
        if event in ("os.listdir", "os.scandir"):
            self._check(event, f"{_path(arguments[0])}/")
        elif event in _EVENTS:
            self._check(event, *map(_path, arguments[:2]))
        elif event == "ctypes.dlsym" and str(arguments[1]).startswith(_FUNCTIONS):
            self.note(str(arguments[1]))

    def checked(self, function):
        def call(path, *arguments, **options):
            self._check(function.__name__, _path(path))
            return function(path, *arguments, **options)

        return call

    def refused(self, name: str, function):
        def call(*arguments, **options):
            self.note(name)
            return function(*arguments, **options)

        return call

    def note(self, what: str) -> None:
        """Note a use and fail, if it is this project's code that uses it."""
        frame = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name != __file__ and _OTHERS.search(name):
                return
            if _OURS.search(name):
                break
            frame = frame.f_back
        if frame is None:
            return
        line = f"{what} in {os.path.basename(name)}, {frame.f_code.co_name}\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        raise OSError(errno.ENOSYS, f"{what} is not to be used here")

    def _check(self, what: str, *paths: str) -> None:
        for path in paths:
            if path.startswith(_PLACES):
                self.note(f"{what} /{path.split('/')[1]}")


def _path(value: object) -> str:
    """A path as text. Empty for anything else, such as a descriptor."""
    return os.fsdecode(value) if isinstance(value, (str, bytes, os.PathLike)) else ""


def _replace(name: str, function) -> None:
    """Replace a function of `os`. shutil and others look it up in these sets to see what it supports."""
    for supporting in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
        if getattr(os, name) in supporting:
            supporting.add(function)
    setattr(os, name, function)


if __name__ == "__main__":
    forbid()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
