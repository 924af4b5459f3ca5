"""Try again after a temporary failure of the machine: no descriptors, no memory, a full disk. It says nothing about a run."""

from __future__ import annotations

import errno
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

_T = TypeVar("_T")
_TRANSIENT = {
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EROFS,
}
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
#: How long a launch or a read is retried. Waiting for the end of a run has no limit.
RETRY_S = 30.0


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    return isinstance(error, OSError) and error.errno in _TRANSIENT


async def retry(attempt: Callable[[], Awaitable[_T]], limit_s: float = float("inf")) -> _T:
    """Call until it succeeds. Raises the last error when that is not transient, or after `limit_s` seconds."""
    deadline, pause_s = anyio.current_time() + limit_s, _FIRST_PAUSE_S
    while True:
        try:
            return await attempt()
        except OSError as error:
            if not is_transient(error) or anyio.current_time() >= deadline:
                raise
        await anyio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def retry_blocking(attempt: Callable[[], _T]) -> _T:
    """`retry` for a thread, for at most RETRY_S seconds."""
    deadline, pause_s = time.monotonic() + RETRY_S, _FIRST_PAUSE_S
    while True:
        try:
            return attempt()
        except OSError as error:
            if not is_transient(error) or time.monotonic() >= deadline:
                raise
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
