"""What a test needs in order not to fail because the machine is busy."""

from __future__ import annotations

import time
from pathlib import Path

import anyio

#: How long a test waits for what happens in seconds on an idle machine. It ends the wait for what never happens.
PATIENCE_S = 600.0

_PRESSURE = Path("/proc/pressure/cpu")


def idle_clock() -> float:
    """A clock, in seconds, that stands while any process of the machine waits for a CPU.

    For claims about durations: on an idle machine they hold exactly, and a busy machine does not break them. A system
    without pressure figures (not Linux, or older than 4.20) has the usual clock.
    """
    try:
        some = _PRESSURE.read_text().partition("\n")[0]
    except OSError:
        return time.monotonic()
    return time.monotonic() - int(some.rpartition("total=")[2]) / 1e6


async def pause() -> None:
    """Leave the CPU to others for a moment: between two looks at what no event reports."""
    with anyio.move_on_after(0.003):
        await anyio.sleep_forever()
