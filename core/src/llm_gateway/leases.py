"""A lease: a file with a lock that a process holds while it lives. It ends with the process, so no timer is needed.

Standard library only, because shims import this module. All functions but one return at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress

from llm_gateway.files import open_regular

#: These say that there is no lease. Any other error, such as no free descriptor, says nothing about it.
_NO_LEASE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL}


def lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file until the descriptor is closed. False: another process has locked it. Raises OSError.

    :param shared: only to check whether a process holds it. Two processes that check at the same time do not exclude each other.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(descriptor: int) -> None:
    """Block until no other process has locked the file exclusively. Raises OSError."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def take_lease(path: str | os.PathLike[str], *, create: bool) -> int | None:
    """Take a lease. Closing the returned descriptor, or the end of the process, releases it.

    None: another process holds it or checks it just now, or there is no such file (any more). Raises other OSErrors.

    :param create: create the file if it is missing.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        return None
    try:
        # A process that takes the holder for dead may have removed the file meanwhile.
        if lock(descriptor) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def release_lease(path: str | os.PathLike[str], descriptor: int) -> None:
    """Remove the file of a lease that this process holds, and release it."""
    with suppress(OSError):
        os.unlink(path)
    os.close(descriptor)


def is_leased(path: str | os.PathLike[str]) -> bool:
    """Whether a process holds the lease. If not, its file is removed. If that cannot be checked, the answer is True."""
    try:
        descriptor = open_regular(path)
    except OSError as error:
        return error.errno not in _NO_LEASE
    try:
        if not lock(descriptor, shared=True):
            return True
        with suppress(OSError):  # the folder is not writable now
            os.unlink(path)
        return False
    finally:
        os.close(descriptor)
