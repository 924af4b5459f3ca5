"""Free the disk blocks in the middle of a file: fallocate on Linux, F_PUNCHHOLE on macOS. Standard library only."""

from __future__ import annotations

import ctypes
import fcntl
import struct
import sys
from contextlib import suppress

_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02
#: From macOS's fcntl.h; the argument is `struct fpunchhole`: flags, reserved, offset, length.
_F_PUNCHHOLE, _FPUNCHHOLE = 99, struct.Struct("=IIqq")
_libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
_fallocate = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def punch(fd: int, start: int, end: int) -> bool:
    """Free the disk blocks of the bytes from start to end. They read as zeros, all others keep their offsets. False: not possible."""
    if sys.platform == "darwin":
        with suppress(OSError):
            fcntl.fcntl(fd, _F_PUNCHHOLE, _FPUNCHHOLE.pack(0, 0, start, end - start))
            return True
        return False
    return _fallocate is not None and bool(_fallocate(fd, _KEEP_SIZE_PUNCH_HOLE, start, end - start) == 0)
