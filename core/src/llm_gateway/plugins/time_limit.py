"""A time limit for imports and hooks of plugins."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

IMPORT_S = 60.0
HOOK_S = 10.0


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block when the time is over, and again after each further period of the same length.

    Works only in the main thread, because Python cannot interrupt other threads. The event loop runs in the main thread, so a
    plugin that blocks there stops the whole gateway. In another thread it delays only its caller.
    """

    def interrupt(*_: object) -> None:
        raise TimeoutError(f"it did not return within {seconds:g} s")

    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
