"""The lease of a gateway: a held lock on `<home>/gateways/<gateway id>`. The lock ends with the process, so no timer is needed."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from llm_gateway.files import make_private, open_regular

if TYPE_CHECKING:
    from pathlib import Path

_ACQUIRE_S = 2.0


class Lease:
    """The lease of one gateway."""

    def __init__(self, home: Path, gateway_id: str) -> None:
        self._path = home / "gateways" / gateway_id
        self._fd = -1

    def open(self) -> None:
        """Acquire the lease. Raises TimeoutError when another process holds it."""
        make_private(self._path.parent)
        deadline = time.monotonic() + _ACQUIRE_S
        while time.monotonic() < deadline:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(fd), os.stat(self._path)):
                    self._fd = fd
                    return
            except (
                OSError
            ):  # another gateway checks the lease just now, or removed the file as that of an ended gateway
                pass
            os.close(fd)
            time.sleep(0.005)
        raise TimeoutError(f"another process holds the lease of {self._path.name}")

    def close(self) -> None:
        """Release the lease. Idempotent."""
        if self._fd >= 0:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._fd)
            self._fd = -1


def is_alive(home: str | os.PathLike[str], gateway_id: str) -> bool:
    """Whether a gateway is running. Removes the file of one that ended. If the lease cannot be checked, the answer is True."""
    path = os.path.join(home, "gateways", gateway_id)
    try:
        fd = open_regular(path)
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL)
    try:
        # A shared lock: two gateways that check at the same time must not take each other for the holder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        with suppress(OSError):  # the home is not writable now
            os.unlink(path)
        return False
    finally:
        os.close(fd)
