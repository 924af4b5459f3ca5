"""A gateway's life, as a held lock: `<home>/gateways/<gateway id>`. The others see at once, and without a timer, that it ended."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from llm_gateway.files import make_private, open_regular

_PATIENCE_S = 2.0


class Lease:
    """The lock of one gateway."""

    def __init__(self, home: Path, gateway_id: str) -> None:
        self._path = home / "gateways" / gateway_id
        self._fd = -1

    def open(self) -> None:
        """Begin to live. Raises TimeoutError when another process lives under this id."""
        make_private(self._path.parent)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), os.stat(self._path)):
                    self._fd = fd
                    return
            except OSError:  # somebody is just looking whether we live, or took our file for a dead one's
                pass
            os.close(fd)
            time.sleep(0.005)
        raise TimeoutError(f"another process lives as {self._path.name}")

    def close(self) -> None:
        """End. Idempotent."""
        if self._fd >= 0:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._fd)
            self._fd = -1


def is_alive(home: Path, gateway_id: str) -> bool:
    """Say whether a gateway lives; the file of a dead one is removed. Who cannot look takes it for living."""
    path = home / "gateways" / gateway_id
    try:
        fd = open_regular(path)
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL)
    try:
        # Shared: two who look at once must not take each other for the living.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        with suppress(OSError):  # of a home that cannot be written now
            path.unlink()
        return False
    finally:
        os.close(fd)
