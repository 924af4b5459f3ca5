"""Calls observers, in order, in a thread of their own: a slow observer holds up no caller."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import Full, Queue

from llm_gateway.model.job import Job
from llm_gateway.model.record import Record
from llm_gateway.plugins.calls import HookCalls

log = logging.getLogger("llm_gateway.plugins")

#: How many events may wait for the observers; those that come after them are left out.
_MOST_WAITING = 10_000
#: How long closing waits for observers to take in what is left, in seconds.
_CLOSE_S = 10.0


class Observers:
    """The observers of one gateway. `job_changed` and `turn_recorded` return at once."""

    def __init__(self, calls: HookCalls) -> None:
        self._calls = calls
        self._waiting: Queue[Callable[[], None] | None] = Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None

    def job_changed(self, job: Job) -> None:
        """Tell that a job entered a new state."""
        self._tell(partial(self._calls.job_changed, job))

    def turn_recorded(self, record: Record) -> None:
        """Tell that a turn was recorded."""
        self._tell(partial(self._calls.turn_recorded, record))

    @property
    def is_open(self) -> bool:
        """Whether anything was told, so that there is something to close."""
        return self._thread is not None

    def close(self) -> None:
        """Wait until the observers have every event, but not for one that hangs. Blocking."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            self._waiting.put(None, timeout=_CLOSE_S)
        except Full:
            pass
        else:
            thread.join(_CLOSE_S)
        if thread.is_alive():
            log.warning("observers did not take in all that happened within %g s", _CLOSE_S)

    def _tell(self, call: Callable[[], None]) -> None:
        if not self._calls.has_observers:
            return
        if self._thread is None and not self._start():
            call()
            return
        try:
            self._waiting.put_nowait(call)
        except Full:
            log.error("observers are too slow: %d events wait, the newest is left out", _MOST_WAITING)

    def _start(self) -> bool:
        # A daemon, so that an observer that hangs does not hold up the exit.
        thread = threading.Thread(target=self._work, name="llm-gateway-observers", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread is free: called where it happened
            return False
        self._thread = thread
        return True

    def _work(self) -> None:
        while True:
            call = self._waiting.get()
            if call is None:
                return
            call()
