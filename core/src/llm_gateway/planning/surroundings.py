"""A digest of the files that a run finds on the disk. A finished answer is reused only if they are unchanged since its run.

Computing it has a time budget, and no request waits longer: a file system that does not answer blocks a thread, never a request.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from pydantic import BaseModel

from llm_gateway.digests import Budget, ContentDigest, OverBudget
from llm_gateway.locations import user_home
from llm_gateway.model.invocation import Invocation, RunEnd
from llm_gateway.model.job import Job
from llm_gateway.model.posture import Posture
from llm_gateway.model.request import Accepted, Request
from llm_gateway.planning.invocation import RunEnvironments

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost
    from llm_gateway.settings import Settings

log = logging.getLogger("llm_gateway.surroundings")
T = TypeVar("T")

#: If this many threads hang, no more work is started.
_MOST_HANGING = 16
#: Seconds that computing may take beyond its budget: the budget is checked between two files.
_GRACE_S = 0.05
#: Threads that wait for work: how many, and for how many seconds.
_MOST_IDLE, _IDLE_S = 4, 2.0
#: Paths that mean the run itself, such as /dev/stdin.
_OWN = ("/dev/", "/proc/")
#: Values longer than this are no paths.
_MOST_CHARS = 4096


class BoundedThreads:
    """Does blocking work in threads and stops waiting for them when their time is over. One per gateway.

    A thread that hangs in a system call cannot be ended. It is a daemon thread, so the process can exit, and their number is limited.
    A thread that has nothing to do waits a while for the next work, because each request has several.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hanging: dict[str, threading.Event] = {}  #: the work that took too long; set when it ends after all
        self._idle: list[_Thread] = []

    def within(self, name: str, seconds: float, work: Callable[[], T]) -> T | None:
        """Return the result of the work; None if it fails or takes longer, or if earlier work of this name still hangs. Blocking."""
        return self.begin(name, seconds, work)()

    async def run(self, name: str, seconds: float, work: Callable[[], T]) -> T | None:
        """Like `within`, but without blocking the event loop."""
        loop, done = asyncio.get_running_loop(), anyio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the event loop has been closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        wait = self.begin(name, seconds, work, tell)
        if wait is not _unknown:
            with anyio.move_on_after(seconds):
                await done.wait()
        return wait()

    def begin(
        self, name: str, seconds: float, work: Callable[[], T], tell: Callable[[], None] = lambda: None
    ) -> Callable[[], T | None]:
        """Like `within`, but return a function that waits for the result. The time counts from now.

        :param tell: called in the thread when the result is there.
        """
        until = time.monotonic() + seconds
        with self._lock:
            self._hanging = {name: ended for name, ended in self._hanging.items() if not ended.is_set()}
            if seconds <= 0 or name in self._hanging or len(self._hanging) >= _MOST_HANGING:
                return _unknown
        # Not a SimpleQueue: on Python 3.10 its `get` waits without end if the time is over just as it begins.
        finished, results = threading.Event(), list[T]()

        def do() -> None:
            try:
                results.append(work())
            except Exception as error:  # a plugin may raise anything; with an unknown state nothing is reused
                log.warning("the state of %s could not be read: %s", name, error)

        def report() -> None:
            finished.set()
            tell()

        context = copy_context()
        if not self._start(f"llm-gateway-look {name}", _Work(lambda: context.run(do), report)):
            return _unknown

        def wait() -> T | None:
            if finished.wait(max(0.0, until - time.monotonic())):
                return results[0] if results else None
            with self._lock:
                self._hanging[name] = finished
            return None

        return wait

    def _start(self, name: str, work: _Work) -> bool:
        """Do the work in a thread. False: the system can start no more threads."""
        with self._lock:
            thread = self._idle.pop() if self._idle else None
        if thread is None:
            thread = _Thread(self)
            try:
                thread.start()
            except RuntimeError:
                return False
        thread.name = name
        thread.works.put(work)
        return True

    def rest(self, thread: _Thread) -> bool:
        """Let a thread wait for its next work. False: enough threads wait."""
        with self._lock:
            if len(self._idle) >= _MOST_IDLE:
                return False
            self._idle.append(thread)
            return True

    def release(self, thread: _Thread) -> bool:
        """Let a thread that has waited long end. False: it gets work at this moment."""
        with self._lock:
            if thread not in self._idle:
                return False
            self._idle.remove(thread)
            return True


@dataclass(frozen=True, slots=True)
class _Work:
    do: Callable[[], None]
    report: Callable[[], None]  #: called when it is done, and the thread is ready for the next


class _Thread(threading.Thread):
    """Does one work after another until it is released."""

    def __init__(self, threads: BoundedThreads) -> None:
        super().__init__(daemon=True)
        self.works = queue.Queue[_Work]()
        self._threads = threads

    def run(self) -> None:
        goes_on = True
        while goes_on:
            try:
                work = self.works.get(timeout=_IDLE_S)
            except queue.Empty:
                goes_on = not self._threads.release(self)
                continue
            work.do()
            goes_on = self._threads.rest(self)
            work.report()


def _unknown() -> None:
    return None


class Surroundings:
    """Computes the state of the files before and after a run."""

    def __init__(
        self, host: PluginHost, settings: Settings, environ: Mapping[str, str], threads: BoundedThreads
    ) -> None:
        self._host = host
        self._settings = settings
        self._environ = environ
        self._threads = threads
        self._home = os.path.realpath(settings.home)
        self._environments = RunEnvironments(settings, environ)

    async def look(self, accepted: Accepted) -> str | None:
        """Return the state of all files that a run of this request finds; None: unknown, so no finished answer may be reused."""
        seconds = self._seconds
        if not seconds:
            return None
        return await self._threads.run(accepted.request.working_dir, seconds, partial(self._state, accepted))

    def begin_final_look(self, job: Job, end: RunEnd, accepted: Accepted) -> Callable[[Job], Job]:
        """Begin to compute the state after a run. Returns a function that adds it to the concluded job and blocks within the budget."""
        if not job.dedup_key or end.exit_code != 0:
            return lambda concluded: concluded
        wait = self._threads.begin(accepted.request.working_dir, self._seconds, partial(self._state, accepted))
        return lambda concluded: replace(concluded, left_state=left_state(job.posture, job.found_state, wait()))

    @property
    def _seconds(self) -> float:
        """How long computing the state may take; 0: nothing is reused."""
        budget_s = self._settings.reuse.budget_s
        return budget_s + _GRACE_S if budget_s and self._settings.dedup_window_s > 0 else 0.0

    def _state(self, accepted: Accepted) -> str | None:
        """Compute the state. Blocking."""
        request = accepted.request
        directories = (request.working_dir, *request.add_dirs)
        budget = Budget(
            seconds=self._settings.reuse.budget_s,
            most_bytes=self._settings.reuse.budget_bytes,
            left_out=[self._home],
        )
        tree = self._host.tree_state(directories, budget)
        if tree is None:
            return None
        digest = ContentDigest(budget, [os.path.realpath(directory) for directory in directories])
        digest.add(tree)
        info = self._host.providers[request.provider].of(request.variant)
        try:
            for path in (
                *info.config_files(self._environments.of(info, {}, depth=0), request.working_dir),
                *accepted.watched,
            ):
                digest.add(path)
                digest.add_path(path)
        except (OverBudget, RecursionError) as error:
            log.debug("%s: %s", request.working_dir, error)
            return None
        return digest.hexdigest()


def could_write(posture: Posture) -> bool:
    """Return whether a run with this posture may change files."""
    return posture > Posture.PLAN


def left_state(posture: Posture, before: str | None, after: str | None) -> str | None:
    """Return the state in which an answer may be reused; None: never.

    For a run that could write, it is the state after the run. For a run that could not, the states before and after must be equal:
    if they differ, another process changed the files, and it is unknown which state the run saw.
    """
    if could_write(posture) or before == after:
        return after
    return None


def watched_paths(request: Request, invocation: Invocation) -> tuple[str, ...]:
    """Return the paths that parameters name, without the request's directories. Absolute paths; they need not exist."""
    servers = [word for server in request.mcp_servers for word in (server.command, *server.args)]
    named = [*invocation.argv[1:], *_strings(request.options), *servers]
    directories = {request.working_dir, *request.add_dirs}
    paths = (path for word in named for path in _paths_in(word, request.working_dir))
    return tuple(dict.fromkeys(path for path in paths if path not in directories and not path.startswith(_OWN)))


def _paths_in(word: str, directory: str) -> Iterator[str]:
    """Yield the paths outside of a directory that a parameter names: `/x/y`, `~/x`, `../x`, also after `--flag=` or `key=`."""
    if len(word) > _MOST_CHARS or "\0" in word or "\n" in word or not _is_a_name(word):
        return
    for value in (word, word.partition("=")[2].strip("\"'")):
        if value.startswith("/"):
            yield os.path.normpath(value)
        elif value.startswith("~/"):
            home = user_home(os.environ, "")
            if home:  # an agent without a home opens no such path either
                yield os.path.normpath(home + value[1:])
        elif ".." in value.split("/"):
            yield os.path.normpath(os.path.join(directory, value))


def _is_a_name(word: str) -> bool:
    try:
        os.fsencode(word)
    except UnicodeEncodeError:
        return False
    return True


def _strings(value: Any) -> Iterator[str]:
    """Yield every string in parameters, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        yield from _strings(value.model_dump())
    elif isinstance(value, Mapping):
        yield from _strings(list(value.values()))
    elif isinstance(value, Iterable) and not isinstance(value, bytes):
        for item in value:
            yield from _strings(item)
