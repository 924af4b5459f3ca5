"""The local engine: runs on this machine, each with its own shim.

Who decides how a run ended, and why no waiter waits for ever:
- A waiter of a run that was launched here waits for end-of-file on the descriptor that the shim holds. A waiter of any other run waits
  for the shim's pidfd, or for the job's lock (another process namespace, no pidfds). All three happen when the shim ends, in any way.
- Only then `exit.json` is read, because an agent can write one. If there is none, or it is not valid, the shim was killed: the gateway that takes
  the lock kills what is left and writes the end as `vanished`. Each writer holds the lock and reads `exit.json` first, so it is written
  once. A process that holds the lock and is not a shim delays that for a limited time.
- A shim that was launched here reports that it started the run. After that the run is not launched again, whatever happens to its folder.
- No `state.json` means that no agent was started. If the run was launched here, the message was lost with the fork server, or the shim
  found the lock held by another process: launch it again, which is safe. Else, if it was canceled, write that as the end; a late shim
  respects it. Else nothing is known of the run, and launching it is safe: LookupError.
- A waiter that finds the lock held waits for it, and starts again from the top.
"""

from __future__ import annotations

import errno
import math
import os
import re
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio
import anyio.to_thread

from llm_gateway import JobId, RunEnd, RunSpec, RunView
from llm_gateway.leases import wait_for_lock

from .launcher import MOST_ATTEMPTS, Launch, Launcher
from .peers.peers import Peers
from .process import PORTABLE, system
from .retry import RETRY_S, is_transient, retry, retry_blocking
from .shim import ending
from .shim.starter import Starter
from .spool import holder
from .spool.folder import ARTIFACTS, CANCEL, EXIT, FILES, LOCK, STATE, STDERR, STDIN, STDOUT, Folder
from .spool.verdicts import conclude_without_shim, parse_time, read_end, vanished
from .watch import FileWatcher, InotifyWatcher

_T = TypeVar("_T")
_Outcome = RunEnd | Literal["held", "unknown"]
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
#: How long a lock is respected whose holder is not a shim: another gateway holds it while it concludes a run, for at most ten seconds.
_STRANGER_S = 15.0
#: How long a lock is respected that only processes of the ended run hold: one of them may be a gateway that concludes the run.
_RUN_S = 1.0
#: The entry at the job folder's path is not a folder, or not accessible.
_NO_FOLDER = {errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM}


class LocalEngine:
    """Runs that outlive this process."""

    def __init__(self, home: Path, *, starter: Starter | None = None, inotify: bool = True) -> None:
        self._home = Path(os.path.abspath(home))
        self._jobs = self._home / "jobs"
        self._launcher = Launcher(starter or Starter())
        self._inotify = inotify
        self._launched: dict[str, Launch] = {}

    async def aopen(self) -> None:
        """Prepare. The first launch starts the fork server."""
        if PORTABLE:
            from .watch_portable import PortableWatcher

            self._watcher: FileWatcher = PortableWatcher()
        else:
            self._watcher = InotifyWatcher(inotify=self._inotify)
        self._threads = anyio.CapacityLimiter(16)

    async def aclose(self) -> None:
        """Release everything. The runs continue. Idempotent."""
        for launched in self._launched.values():
            launched.close()
        self._launched.clear()
        self._watcher.close()
        with anyio.CancelScope(shield=True):
            await self._in_thread(self._launcher.close)

    def peers(self, gateway_id: str) -> Peers:
        """The other gateways of this home."""
        return Peers(self._home, gateway_id)

    async def launch(self, spec: RunSpec) -> None:
        """Make sure that this run is started. Raises ValueError for a job id or file name that would leave its folder."""
        if spec.job_id in self._launched:
            return
        path = self._path(spec.job_id)
        launched = await retry(lambda: self._in_thread(lambda: self._launcher.launch(path, spec)), RETRY_S)
        if launched is None:
            return
        if self._launched.setdefault(spec.job_id, launched) is not launched:
            launched.close()

    async def wait(self, job_id: JobId) -> RunEnd:
        """Wait for the end of a launched run. Raises LookupError if nothing is known of it."""
        while True:
            launched = self._launched.get(job_id)
            outcome = await retry(partial(self._wait_and_conclude, job_id, launched))
            if isinstance(outcome, RunEnd):
                self._forget_launch(job_id)
                return outcome
            if outcome == "unknown":
                if launched is None:
                    raise LookupError(f"nothing is known of a run of {job_id}")
                await self._launch_again(job_id, launched)

    async def cancel(self, job_id: JobId) -> None:
        """Ask for the end of a run."""
        await self._in_thread(lambda: self._cancel(job_id))

    async def changes(self, job_id: JobId) -> AsyncIterator[None]:
        """Yield once, and again whenever output may have grown, until the run is over. Several changes can be one."""
        watch = self._watcher.watch(self._path(job_id))
        try:
            yield
            while not await self._changed(job_id, watch.changed):
                yield
            yield
        finally:
            watch.close()

    def view(self, job_id: JobId) -> RunView:
        """Read the state of a run."""
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
            agent = holder.recorded_process(folder, "agent")
            shim = holder.shim_of(folder)
            recorded = shim or holder.recorded_process(folder, "shim")
            used = system.usage_below(shim.pid) if shim else None
            return RunView(
                known=True,
                alive=shim is not None or holder.is_held(folder),
                pid=agent.pid if agent else None,
                shim_pid=recorded.pid if recorded else None,
                started_at=parse_time(folder.read_json_or_nothing(STATE).get("started_at")),
                last_output_at=_file_time(max(found.st_mtime for found in outputs)) if outputs else None,
                stdout_bytes=folder.size(STDOUT),
                stderr_bytes=folder.size(STDERR),
                rss_bytes=used[0] if used else None,
                cpu_s=used[1] if used else None,
            )

    def read_output(self, job_id: JobId, stream: str, offset: int, size: int) -> bytes:
        """Bytes of `stdout` or `stderr` from an absolute offset. b"" at the end, or if there is none."""
        if stream not in (STDOUT, STDERR):
            raise ValueError(f"{stream!r} is not a stream: use stdout or stderr")
        return retry_blocking(lambda: self._read(job_id, stream, offset, size))

    def forget(self, job_id: JobId, *, output_only: bool = False) -> None:
        """Delete a finished job's folder, or only what the run read and wrote. Raises RuntimeError while it is running."""
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
                if not folder.has(EXIT) and holder.is_held(folder):
                    raise RuntimeError(f"{job_id} is still running")
                for name in (STDIN, STDOUT, STDERR, ARTIFACTS, FILES) if output_only else os.listdir(folder.fd):
                    folder.remove(name)
        if not output_only:
            with Folder(os.path.dirname(path)) as jobs:
                jobs.remove(job_id)

    # ------------------------------------------------------------------------------------------------- waiting

    async def _wait_and_conclude(self, job_id: JobId, launched: Launch | None) -> _Outcome:
        """Wait until the shim of a job has ended, then read or write the end of its run."""
        started = await _wait_for_report(launched)
        outcome = await self._in_thread(partial(self._conclude_or_open_holder, job_id, started=started))
        if not isinstance(outcome, _Holder):
            return outcome
        ignore_lock = not await outcome.wait()
        return await self._in_thread(partial(self._conclude, job_id, ignore_lock=ignore_lock, started=started))

    def _conclude_or_open_holder(self, job_id: JobId, *, started: bool) -> _Outcome | _Holder:
        """Usually the shim has ended: one step, because the way to a thread and back costs more than the work."""
        found = self._open_holder(job_id, shim_ended=started)
        return self._conclude(job_id, started=started) if found is None else found

    async def _wait_for_shim(self, job_id: JobId) -> None:
        """Wait until the shim of a job has ended, or its lock is held for too long. Returns at once when there is none."""
        started = await _wait_for_report(self._launched.get(job_id))
        found = await self._in_thread(lambda: self._open_holder(job_id, shim_ended=started))
        if found is not None:
            await found.wait()

    def _open_holder(self, job_id: JobId, *, shim_ended: bool) -> _Holder | None:
        """Return the holder of a job's lock. None: there is none.

        :param shim_ended: the shim was launched here and has ended: the holder is another gateway that concludes the run, or a
            process of the run. Two gateways that both ignored the lock would write two `exit.json`.
        """
        try:
            folder = Folder(self._path(job_id))
        except OSError as error:
            if is_transient(error):
                raise
            return None
        with folder:
            shim = None if shim_ended else holder.shim_of(folder)
            try:
                if shim and (fd := shim.open()) is not None:
                    return _Holder(fd, math.inf)
            except OSError as error:  # there are no pidfds here, or no free descriptor
                if is_transient(error):
                    raise
            if not folder.is_held():
                return None
            holders = holder.lock_holders(folder)
            if shim_ended:
                of_run = bool(holders) and all(ending.carries_marker(pid, job_id) for pid in holders or ())
                return _Holder(_wait_for_lock(folder), _RUN_S if of_run else _STRANGER_S)
            # If the system names the holders and none is a shim, the wait is limited.
            return _Holder(_wait_for_lock(folder), math.inf if shim or holders is None else _STRANGER_S)

    async def _changed(self, job_id: JobId, changed: Callable[[], Any]) -> bool:
        """Wait for a change or the end. True: it was the end."""
        over = False
        async with anyio.create_task_group() as group:

            async def wait_for_end() -> None:
                nonlocal over
                await self._wait_for_shim(job_id)
                over = await self._in_thread(lambda: not self.view(job_id).alive)
                group.cancel_scope.cancel()

            group.start_soon(wait_for_end)
            await changed()
            group.cancel_scope.cancel()
        return over

    # -------------------------------------------------------------------------------------- short blocking parts

    def _path(self, job_id: str) -> str:
        if not _JOB_ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is not a job id")
        return str(self._jobs / job_id)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        except RuntimeError as error:
            if "start new thread" not in str(error):
                raise
            raise OSError(errno.EAGAIN, "the system cannot start another thread") from error

    def _read(self, job_id: JobId, stream: str, offset: int, size: int) -> bytes:
        try:
            with Folder(self._path(job_id)) as folder:
                fd = folder.open(stream, os.O_RDONLY)
        except OSError as error:
            if is_transient(error):
                raise
            return b""  # there is none, or it is not a regular file
        try:
            return os.pread(fd, size, offset)
        finally:
            os.close(fd)

    def _forget_launch(self, job_id: JobId) -> None:
        launched = self._launched.pop(job_id, None)
        if launched:
            launched.close()

    async def _launch_again(self, job_id: JobId, launched: Launch) -> None:
        if launched.attempts >= MOST_ATTEMPTS:
            await retry(lambda: self._in_thread(lambda: self._conclude(job_id, give_up=True)))
            return
        await anyio.sleep(launched.pause_s)
        with suppress(OSError):  # the next attempt may succeed
            await self._in_thread(lambda: self._launcher.start_again(launched))

    def _cancel(self, job_id: JobId) -> None:
        with Folder(self._path(job_id), create=True) as folder:
            shim = holder.shim_of(folder)
            if folder.has(EXIT) and shim is None and not folder.is_held():
                return
            os.close(folder.touch(CANCEL))  # an empty file cannot be half written
            if shim:  # a shim that is not visible here checks for `cancel` within a second
                shim.signal(signal.SIGTERM)
                shim.signal(signal.SIGCONT)  # a stopped process handles no signal

    def _conclude(
        self, job_id: JobId, *, ignore_lock: bool = False, started: bool = False, give_up: bool = False
    ) -> _Outcome:
        """Read the end of a run whose shim is gone, or write it.

        :param ignore_lock: the shim is gone, even if the lock is held.
        :param started: the run was started, whatever is left of its folder.
        :param give_up: no shim could be started. Write that as the end.
        """
        try:
            folder = Folder(self._path(job_id))
        except OSError as error:
            if error.errno != errno.ENOENT and error.errno not in _NO_FOLDER:
                raise
            if error.errno == errno.ENOENT and not (started or give_up):
                return "unknown"
            ending.end_leftovers(job_id, None)
            return vanished("The job's folder was deleted or replaced while it ran.")
        with folder:
            if not (folder.has(EXIT) or folder.has(STATE) or folder.has(CANCEL) or started or give_up):
                return "unknown"
            lock = folder.lock()
            if lock is None and not ignore_lock:
                return "held"
            try:
                end = read_end(folder)
                if end is None:
                    conclude_without_shim(folder, job_id)
                    end = read_end(folder)
                return end or vanished("The end of the run was written, but cannot be read.")
            finally:
                if lock is not None:
                    os.close(lock)


def _wait_for_lock(folder: Folder) -> int:
    """A descriptor that reads end-of-file once the lock is free. The thread may outlive the waiter; it blocks no other thread."""
    reader, writer = os.pipe()
    lock = folder.touch(LOCK)

    def block() -> None:
        try:
            wait_for_lock(lock)
        finally:
            os.close(lock)
            os.close(writer)

    threading.Thread(target=block, name="wait for a job's lock", daemon=True).start()
    return reader


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds a job's lock."""

    fd: int  #: becomes readable when the holder is gone
    limit_s: float  #: how long to wait for that

    async def wait(self) -> bool:
        """Wait until the holder is gone. Closes the descriptor. False: it has held the lock for too long."""
        with anyio.move_on_after(self.limit_s):
            await _wait_readable(self.fd)
            return True
        return False


async def _wait_for_report(launched: Launch | None) -> bool:
    """Wait until the shim that was launched here, if any, has ended. Returns whether it started the run."""
    while launched and launched.fd >= 0:
        await _wait_readable(os.dup(launched.fd))  # a copy for each waiter
        launched.read_status()
    return launched is not None and launched.started


async def _wait_readable(fd: int) -> None:
    """Wait until a descriptor is readable, or at its end. Closes it."""
    try:
        await anyio.wait_readable(fd)
    finally:
        os.close(fd)


def _file_time(seconds: float) -> datetime | None:
    """A file's time. None if it is outside the calendar: an agent can set any time."""
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None
