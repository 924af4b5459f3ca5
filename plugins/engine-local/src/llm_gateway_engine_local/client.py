"""The local engine: runs on this machine, each with a shim of its own.

Who may say how a run ended, and why nobody waits for ever:
- A waiter of a run launched here waits for the end-of-file of the descriptor that its shim holds; of any other run, for the shim's
  pidfd, or (another process namespace, no pidfds) for the job's lock. All three come with the shim's end, whatever its cause.
- Then `exit.json` is the verdict, and not before: an agent can write one. If there is none, or none of ours, the shim was killed:
  whoever takes the lock kills what is left and writes the verdict "vanished". One verdict: each writer holds the lock and looks for
  `exit.json` first. A lock that somebody holds who is no shim delays that for a moment only.
- A shim that was launched here says so once it has begun. Whatever becomes of its folder then, it is not launched again.
- No `state.json`: no agent was ever started. If it was to be launched here, the message was lost with the fork server or our shim met
  the lock in other hands, and it is launched again; twice does no harm. Else, if it was canceled, that becomes the verdict,
  which a late shim respects. Else nothing is known, and launching it is safe: LookupError.
- Whoever finds the lock taken waits for it and begins anew.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import re
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio
import anyio.to_thread

from llm_gateway import JobId, RunEnd, RunSpec, RunView

from . import ending, fork_server, holding
from .folder import ARTIFACTS, CANCEL, EXIT, FILES, LOCK, SPEC, STATE, STDERR, STDIN, STDOUT, Folder, plain_parts
from .launched import Launched
from .patience import PATIENCE_S, at_last, passes, read_at_last
from .peers import Peers
from .starter import Starter
from .usage import usage_of
from .verdicts import give_verdict, lost, moment, read_end
from .watch import Watcher

_T = TypeVar("_T")
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LAUNCHES = 6
#: How long a lock is respected whose holder is no shim: another gateway holds it while it gives a verdict, for ten seconds at most.
_STRANGER_S = 15.0
#: How long a lock is respected that only processes of the ended run hold: one of them may be a gateway that concludes the run.
_RUN_S = 1.0
#: What stands in the place of a job's folder and is none, or no longer ours.
_NO_FOLDER = {errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM}


class LocalEngine:
    """Runs that outlive this process."""

    def __init__(self, home: Path, *, starter: Starter | None = None, inotify: bool = True) -> None:
        self._home = Path(os.path.abspath(home))
        self._jobs = self._home / "jobs"
        self._starter = starter or Starter()
        self._inotify = inotify
        self._launched: dict[str, Launched] = {}

    async def aopen(self) -> None:
        """Make ready. The fork server is started by the first launch."""
        self._watcher = Watcher(inotify=self._inotify)
        self._threads = anyio.CapacityLimiter(16)

    async def aclose(self) -> None:
        """Let go; the runs go on. Idempotent."""
        for launched in self._launched.values():
            launched.close()
        self._launched.clear()
        self._watcher.close()
        with anyio.CancelScope(shield=True):
            await self._in_thread(self._starter.close)

    def peers(self, gateway_id: str) -> Peers:
        """The other gateways of this home."""
        return Peers(self._home, gateway_id)

    async def launch(self, spec: RunSpec) -> None:
        """Make sure that this run has been started. ValueError: a job id or file name that would leave its folder."""
        if spec.job_id in self._launched:
            return
        if launched := await at_last(lambda: self._in_thread(lambda: self._launch(spec)), PATIENCE_S):
            self._launched.setdefault(spec.job_id, launched)
            if self._launched[spec.job_id] is not launched:
                launched.close()

    async def wait(self, job_id: JobId) -> RunEnd:
        """Wait for the end of a launched run."""
        while True:
            launched = self._launched.get(job_id)
            sure = await at_last(lambda: self._shim_gone(job_id))
            begun = launched is not None and launched.begun
            settle = partial(self._settle, job_id, sure=sure, begun=begun)
            verdict = await at_last(partial(self._in_thread, settle))
            if isinstance(verdict, RunEnd):
                if launched := self._launched.pop(job_id, None):
                    launched.close()
                return verdict
            if verdict == "unknown":
                if launched is None:
                    raise LookupError(f"nothing is known of a run of {job_id}")
                await self._launch_again(job_id, launched)

    async def cancel(self, job_id: JobId) -> None:
        """Ask for the end of a run."""
        await self._in_thread(lambda: self._cancel(job_id))

    async def changes(self, job_id: JobId) -> AsyncIterator[None]:
        """Yield once, and again whenever output may have grown, until the run is over; many changes are one."""
        watch = self._watcher.watch(self._path(job_id))
        try:
            yield
            while not await self._changed(job_id, watch.changed):
                yield
            yield
        finally:
            watch.close()

    def view(self, job_id: JobId) -> RunView:
        """Look at a run."""
        try:
            folder = Folder(self._path(job_id))
        except OSError as error:
            if error.errno not in {errno.ENOENT, *_NO_FOLDER}:
                raise
            return RunView(known=False, alive=False)
        with folder:
            if not folder.has(STATE):
                return RunView(known=False, alive=False)
            outputs = [found for name in (STDOUT, STDERR) if (found := folder.stat(name)) and folder.size(name)]
            who, agent = holding.stated(folder, "shim"), holding.stated(folder, "agent")
            shim = holding.shim_of(folder)
            alive = shim is not None or holding.is_held(folder)
            used = usage_of(shim) if shim else None
            return RunView(
                known=True,
                alive=alive,
                pid=agent.pid if agent else None,
                shim_pid=shim.pid if shim else who.pid if who else None,
                started_at=moment(folder.read_json_or_nothing(STATE).get("started_at")),
                last_output_at=_time(max(found.st_mtime for found in outputs)) if outputs else None,
                stdout_bytes=folder.size(STDOUT),
                stderr_bytes=folder.size(STDERR),
                rss_bytes=used[0] if used else None,
                cpu_s=used[1] if used else None,
            )

    def read_output(self, job_id: JobId, stream: str, offset: int, size: int) -> bytes:
        """Bytes of `stdout` or `stderr` from an absolute offset; b"" at the end, or when nothing is there."""
        if stream not in (STDOUT, STDERR):
            raise ValueError(f"{stream!r} is no stream")
        return read_at_last(lambda: self._read(job_id, stream, offset, size))

    def forget(self, job_id: JobId, *, output_only: bool = False) -> None:
        """Delete a finished job's folder, or just what the run read and wrote. RuntimeError: it is still running."""
        path = self._path(job_id)
        try:
            folder = Folder(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise
        else:
            with folder:
                if not folder.has(EXIT) and holding.is_held(folder):
                    raise RuntimeError(f"{job_id} is still running")
                for name in (STDIN, STDOUT, STDERR, ARTIFACTS, FILES) if output_only else os.listdir(folder.fd):
                    folder.remove(name)
        if not output_only:
            with Folder(os.path.dirname(path)) as jobs:
                jobs.remove(job_id)

    # ------------------------------------------------------------------------------------------------- waiting

    async def _shim_gone(self, job_id: JobId) -> bool:
        """Wait until the shim of a job has ended. Returns at once when there is none.

        True: the shim has ended, and whoever still holds the lock has held it for too long. Conclude without it.
        """
        launched = self._launched.get(job_id)
        while launched and launched.fd >= 0 and await _readable(os.dup(launched.fd)):  # each waiter its own
            launched.hear()
        ended = launched is not None and launched.begun
        fd, limit_s = await self._in_thread(lambda: self._open_holder(job_id, shim_ended=ended))
        if fd is None:
            return False
        with anyio.move_on_after(limit_s):
            await _readable(fd)
            return False
        return True

    def _open_holder(self, job_id: JobId, *, shim_ended: bool) -> tuple[int | None, float]:
        """Return a descriptor that becomes readable when the holder of a job's lock is gone, and how long to wait for that (seconds).

        :param shim_ended: the shim was launched here and has ended: the holder is another gateway that concludes the run, or a
            process of the run. Without the lock, two gateways would write two `exit.json`.
        """
        try:
            folder = Folder(self._path(job_id))
        except OSError as error:
            if passes(error):
                raise
            return None, 0.0
        with folder:
            shim = None if shim_ended else holding.shim_of(folder)
            try:
                if shim and (fd := shim.open()) is not None:
                    return fd, math.inf
            except OSError as error:  # no pidfds here, unless it is for want of a descriptor
                if passes(error):
                    raise
            if not folder.is_held():
                return None, 0.0
            holders = holding.lock_holders(folder)
            if shim_ended:
                of_run = bool(holders) and all(ending.carries_marker(pid, job_id) for pid in holders or ())
                return _wait_for_lock(folder), _RUN_S if of_run else _STRANGER_S
            # If the system names the holders and none is a shim, the wait is limited.
            return _wait_for_lock(folder), math.inf if shim or holders is None else _STRANGER_S

    async def _changed(self, job_id: JobId, changed: Callable[[], Any]) -> bool:
        """Wait for a change or the end; whether it was the end."""
        over = False
        async with anyio.create_task_group() as group:

            async def wait_for_end() -> None:
                nonlocal over
                await self._shim_gone(job_id)
                over = await self._in_thread(lambda: not self.view(job_id).alive)
                group.cancel_scope.cancel()

            group.start_soon(wait_for_end)
            await changed()
            group.cancel_scope.cancel()
        return over

    # --------------------------------------------------------------------------------- the short blocking parts

    def _path(self, job_id: str) -> str:
        if not _JOB_ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is no job id")
        return str(self._jobs / job_id)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            raise OSError(errno.EAGAIN, "the system gives no more threads") from error

    def _read(self, job_id: JobId, stream: str, offset: int, size: int) -> bytes:
        try:
            with Folder(self._path(job_id)) as folder:
                fd = folder.open(stream, os.O_RDONLY)
        except OSError as error:
            if passes(error):
                raise
            return b""  # there is none, or what is there is no output of ours
        try:
            return os.pread(fd, size, offset)
        finally:
            os.close(fd)

    def _launch(self, spec: RunSpec) -> Launched | None:
        for name in spec.files:
            plain_parts(name)
        path = self._path(spec.job_id)
        with Folder(path, create=True) as folder:
            if folder.has(STATE) or folder.has(EXIT):
                return None
            folder.remove_drafts(STDIN, SPEC)  # of a gateway that was killed here
            if spec.stdin is not None:
                folder.write(STDIN, spec.stdin)
            job_files = {
                "argv": spec.argv,
                "cwd": spec.cwd,
                "env": sorted(spec.env),
                "stdin": spec.stdin is not None,
                "limits": {
                    "timeout_s": spec.timeout_s,
                    "idle_timeout_s": spec.idle_timeout_s,
                    "output_bytes": spec.output_bytes,
                    "memory_bytes": spec.memory_bytes,
                    "processes": spec.processes,
                    "cpu": spec.cpu,
                },
                "end_steps": [(int(step.signal), step.grace_s) for step in spec.end_steps],
                "artifacts": spec.artifacts,
            }
            folder.write_json(SPEC, job_files)
        message = fork_server.pack(path, job_files, dict(spec.env), dict(spec.files))
        return Launched(message, self._starter.start(message))

    async def _launch_again(self, job_id: JobId, launched: Launched) -> None:
        if launched.launches >= _LAUNCHES:
            await at_last(lambda: self._in_thread(lambda: self._settle(job_id, give_up=True)))
            return
        await anyio.sleep(0.01 * 4 ** (launched.launches - 1))  # the machine may be out of processes: up to 2.5 s
        launched.launches += 1
        alone = launched.launches > _LAUNCHES // 2
        launched.close()
        with suppress(OSError):  # then the next launch, or the last one's end
            launched.fd = await self._in_thread(lambda: self._starter.start(launched.message, alone=alone))

    def _cancel(self, job_id: JobId) -> None:
        with Folder(self._path(job_id), create=True) as folder:
            shim = holding.shim_of(folder)
            if folder.has(EXIT) and shim is None and not folder.is_held():
                return
            os.close(folder.touch(CANCEL))  # empty: nothing of it can be half written
            if shim:  # where none is seen, it looks by itself within a second
                shim.signal(signal.SIGTERM)
                shim.signal(signal.SIGCONT)  # a shim that was stopped hears nothing

    def _settle(
        self, job_id: JobId, *, sure: bool = False, begun: bool = False, give_up: bool = False
    ) -> RunEnd | Literal["held", "unknown"]:
        """Read the verdict on a run whose shim is gone, or give it.

        :param sure: the shim is gone whatever the lock says.
        :param begun: the run began, whatever is left of its folder.
        """
        try:
            folder = Folder(self._path(job_id))
        except OSError as error:
            if error.errno != errno.ENOENT and error.errno not in _NO_FOLDER:
                raise
            if error.errno == errno.ENOENT and not (begun or give_up):
                return "unknown"
            ending.end_leftovers(job_id, None)
            return lost("The job's folder was deleted or replaced while it ran.")
        with folder:
            if not (folder.has(EXIT) or folder.has(STATE) or folder.has(CANCEL) or begun or give_up):
                return "unknown"
            lock = folder.lock()
            if lock is None and not sure:
                return "held"
            try:
                end = read_end(folder)
                if end is None:
                    give_verdict(folder, job_id)
                    end = read_end(folder)
                return end or lost("What was written of the run's end could not be read.")
            finally:
                if lock is not None:
                    os.close(lock)


def _wait_for_lock(folder: Folder) -> int:
    """A descriptor that reads end-of-file once the lock is free. The thread may outlive whoever asked; it blocks nobody."""
    reader, writer = os.pipe()
    lock = folder.touch(LOCK)

    def block() -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)
            os.close(writer)

    threading.Thread(target=block, name="waiting for a shim", daemon=True).start()
    return reader


async def _readable(fd: int) -> bool:
    """Wait until there is something to read, or the end. Closes it; True, so that a loop can stand on it."""
    try:
        await anyio.wait_readable(fd)
    finally:
        os.close(fd)
    return True


def _time(seconds: float) -> datetime | None:
    """A file's time; None for one that no calendar has, which anybody can give a file."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
