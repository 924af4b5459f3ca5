"""How long a plugin is waited for."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

IMPORT_S = 60.0
HOOK_S = 10.0


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block when it takes longer, and again each time it takes as long.

    Python can only be interrupted in the main thread. There the event loop runs, and everybody waits for a plugin that does
    not come back; in another thread nobody waits but the one who asked.
    """

    def ring(*_: object) -> None:
        raise TimeoutError(f"it did not come back within {seconds:g} s")

    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
