"""What only Linux can do, by ctypes. Elsewhere every function answers False and the shim does without.

Without a subreaper, a descendant that leaves the agent's process group and whose parent dies cannot be found again. Without
holes, a run that writes past its limit is ended instead of trimmed.
"""

from __future__ import annotations

import ctypes
import signal
import sys

_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
#: What a shim calls itself, at most 15 bytes: shown by `ps` and `top`, and how gateways know one.
SHIM_NAME = b"llm-gw-shim"
_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02
_libc = ctypes.CDLL(None) if _LINUX else None
_fallocate = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def become_reaper() -> bool:
    """Make every orphaned descendant a child of this process."""
    return _libc is not None and _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def take_name() -> bool:
    """Name this process as a shim."""
    return _libc is not None and _libc.prctl(_PR_SET_NAME, SHIM_NAME, 0, 0, 0) == 0


def die_with_parent() -> bool:
    """Have this process killed when its parent ends: an agent without its shim has no owner."""
    return _libc is not None and _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0


def punch(fd: int, start: int, end: int) -> bool:
    """Give the bytes from start to end back to the disk; they read as zeros then, and all others stay in their place."""
    return _fallocate is not None and _fallocate(fd, _KEEP_SIZE_PUNCH_HOLE, start, end - start) == 0
