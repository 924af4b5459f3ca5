"""Troubles of a machine that pass by themselves: they say nothing of a run, and must not end one."""

from __future__ import annotations

import errno
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

_T = TypeVar("_T")
_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
_LONGEST_S = 2.0
#: How long a launch, or somebody who reads, waits. Who waits for a run's end waits as long as that takes.
PATIENCE_S = 30.0


def passes(error: BaseException) -> bool:
    """Say whether the same may work later."""
    return isinstance(error, OSError) and error.errno in _PASSING


async def at_last(attempt: Callable[[], Awaitable[_T]], patience_s: float = float("inf")) -> _T:
    """Try until it works, or what stands in the way does not pass."""
    deadline, pause_s = anyio.current_time() + patience_s, 0.05
    while True:
        try:
            return await attempt()
        except OSError as error:
            if not passes(error) or anyio.current_time() >= deadline:
                raise
        await anyio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_S)


def read_at_last(attempt: Callable[[], _T]) -> _T:
    """`at_last` for a thread that may block."""
    deadline, pause_s = time.monotonic() + PATIENCE_S, 0.05
    while True:
        try:
            return attempt()
        except OSError as error:
            if not passes(error) or time.monotonic() >= deadline:
                raise
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_S)
