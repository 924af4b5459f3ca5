"""Start git, read its output within limits of time and size, and end it."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from llm_gateway.git.discovery import GitError, unreadable_ignore_file
from llm_gateway.owned_processes import owned
from llm_gateway.programs import find_executable
from llm_gateway.version_managers import ShimError, behind_shim

#: After this time without output, in seconds, the reason is searched before the time limit.
_SILENT_S = 2.0
_MAX_STDERR = 4000
#: How long to wait for a killed git. If it hangs in the operating system's kernel, do not wait longer.
_GONE_S = 1.0


def find_git(environ: Mapping[str, str]) -> str:
    """Return the path of git, never of a shim that would choose it by files of the repository. Raises GitError."""
    program = find_executable("git", environ)
    if program is None:
        raise GitError("git is not installed, or not in an absolute directory of PATH")
    try:
        return behind_shim(program, environ)
    except ShimError as error:
        raise GitError(f"git cannot be run: {error}") from error


def run_git(
    command: Sequence[str],
    directory: str,
    environment: Mapping[str, str],
    most_bytes: int,
    timeout_s: float,
    *,
    data: bytes = b"",
) -> tuple[bytes, bytes, int]:
    """Run git. Returns at most `most_bytes` of stdout, the beginning of stderr, and the exit code; -1 if `most_bytes` was reached."""
    with owned(environment, search=False) as variables:
        try:
            with _as_file(data) as stdin:
                process = subprocess.Popen(
                    command,
                    cwd=directory,
                    env=variables,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
        except OSError as error:
            raise GitError(f"git cannot be run in {directory}: {error.strerror}") from error
        try:
            return _read(process, lambda: _blocking(environment), most_bytes, timeout_s)
        finally:
            _kill(process)


def _read(
    process: subprocess.Popen[bytes], why_silent: Callable[[], str], most_bytes: int, timeout_s: float
) -> tuple[bytes, bytes, int]:
    assert process.stdout
    assert process.stderr
    deadline = time.monotonic() + timeout_s
    output = bytearray()
    stderr = bytearray()
    reason = ""
    try:
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ, output)
            waiting.register(process.stderr, selectors.EVENT_READ, stderr)
            patience_s = min(_SILENT_S, timeout_s)
            while waiting.get_map() and len(output) < most_bytes:
                ready = waiting.select(min(patience_s, max(0.0, deadline - time.monotonic())))
                if not ready:
                    reason = why_silent()
                    if reason or patience_s == timeout_s or time.monotonic() >= deadline:
                        raise subprocess.TimeoutExpired(process.args, timeout_s)
                    patience_s = timeout_s  # nothing is wrong with the files: git has much to do
                for key, _ in ready:
                    piece = os.read(key.fd, 1 << 18)
                    if not piece:
                        waiting.unregister(key.fileobj)
                    key.data.extend(piece)
                    del stderr[_MAX_STDERR:]
        code = -1
        if len(output) < most_bytes:
            code = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        subcommand = next((word for word in list(error.cmd)[1:] if not word.startswith("-")), "")
        raise GitError(f"git {subcommand}{reason or f' took longer than {timeout_s:g} s'}") from None
    return bytes(output[:most_bytes]), bytes(stderr), code


def _blocking(environment: Mapping[str, str]) -> str:
    top = environment.get("GIT_WORK_TREE")
    path = unreadable_ignore_file(top) if top else None
    return f" cannot read {path}: it is a pipe, a device or too large" if path else ""


@contextmanager
def _as_file(data: bytes) -> Iterator[int]:
    """Yield a descriptor to read the data from. It is a file, because a pipe would have to be written while git prints."""
    if not data:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GONE_S)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
