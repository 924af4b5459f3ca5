"""Notifications between the gateways and shims of one home.

Each gateway binds a datagram socket `<home>/notifiers/<gateway id>`. A notification is a hint: the receiver reads the store to learn
what changed. A hint can get lost, so a gateway also reads the store now and then. The path of a socket has room for 107 bytes (103 on macOS). If
the home's path is too long, Linux uses a path through /proc; elsewhere the sockets are in `/tmp/llm-gateway-<user id>/`.

Standard library and `llm_gateway.files` only, but for waiting: shims send notifications, and start in milliseconds.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

from llm_gateway.files import make_private
from llm_gateway_engine_local.process import PORTABLE

OVERFLOW = ""  #: among the received payloads: some were lost, so check everything
_LONGEST_PATH = 100
_LONGEST_NAME = 45  #: a gateway's id, its separator and the suffix
#: Beside the socket `<name>`: a sender found the receive buffer full.
_MISSED = ".missed"
#: The name of the folder of notifiers in earlier versions.
_FORMER_FOLDER = "bells"


def notify(home: str | os.PathLike[str], payload: bytes) -> None:
    """Send a notification to every gateway of this home. Never blocks, never raises. Removes the sockets of ended gateways."""
    try:
        folder = folder_of(os.fspath(home))
        names = [name for name in os.listdir(folder) if not name.endswith(_MISSED)]
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for name in names:
                _notify_one(sender, folder, directory, name, payload)
    except OSError:
        pass
    finally:
        os.close(directory)


def _notify_one(sender: socket.socket, folder: str, directory: int, name: str, payload: bytes) -> None:
    address = _address(folder, directory, name)
    for attempt in range(2):
        try:
            sender.sendto(payload, address)
        except ConnectionRefusedError:
            _unlink(directory, name)
            _unlink(directory, name + _MISSED)
        except OSError:
            # Most likely the buffer is full. Leave the mark, then try again: a receiver that drained its buffer before the mark
            # was there gets this payload; one that did not will find the mark.
            if attempt == 0 and os.path.exists(os.path.join(folder, name)):
                try:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
                    os.close(os.open(name + _MISSED, flags, 0o600, dir_fd=directory))
                except OSError:
                    return
                continue
        return


class Notifier:
    """The receiver of one gateway."""

    def __init__(self, home: str | os.PathLike[str], gateway_id: str) -> None:
        self._home = os.fspath(home)
        self._folder = ""
        self._name = gateway_id
        self._socket: socket.socket | None = None
        self._directory = -1

    def open(self) -> None:
        """Begin to receive."""
        make_private(os.path.join(self._home, "notifiers"))
        self._folder = folder_of(self._home)
        _remove_former_folder(self._home)
        self._directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.setblocking(False)
        try:
            _unlink(self._directory, self._name)
            receiver.bind(_address(self._folder, self._directory, self._name))
            os.chmod(self._name, 0o600, dir_fd=self._directory)
        except OSError:
            receiver.close()
        else:
            self._socket = receiver

    async def receive(self) -> set[str]:
        """Wait for a notification. Returns all payloads that have arrived by then, with OVERFLOW if some were lost."""
        import anyio

        if self._socket is None:
            await anyio.sleep_forever()
        assert self._socket is not None
        while True:
            payloads = self._drain(self._socket)
            if payloads:
                return payloads
            await anyio.wait_readable(self._socket)

    def _drain(self, receiver: socket.socket) -> set[str]:
        payloads = set()
        with suppress(BlockingIOError):
            while True:
                payloads.add(receiver.recv(65536).decode("utf-8", "replace"))
        if _unlink(self._directory, self._name + _MISSED):
            payloads.add(OVERFLOW)
        return payloads

    def close(self) -> None:
        """Stop receiving. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._directory >= 0:
            _unlink(self._directory, self._name)
            _unlink(self._directory, self._name + _MISSED)
            os.close(self._directory)
            self._directory = -1
            if os.path.dirname(self._folder) != self._home:
                with suppress(OSError):  # another gateway of this home, or another home, still uses it
                    os.rmdir(self._folder)
                    os.rmdir(os.path.dirname(self._folder))


def _remove_former_folder(home: str) -> None:
    """Remove the notifiers' folder of earlier versions, unless a gateway of such a version still receives there."""
    folder = os.path.join(home, _FORMER_FOLDER)
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        for name in os.listdir(directory):
            if not _is_received(folder, directory, name.removesuffix(_MISSED)):
                _unlink(directory, name)
        os.rmdir(folder)
    except OSError:  # a gateway of an earlier version is running, or something else is in there
        pass
    finally:
        os.close(directory)


def _is_received(folder: str, directory: int, name: str) -> bool:
    """Whether a process receives on a socket. True also for anything that is not a socket, which must stay."""
    try:
        if not stat.S_ISSOCK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.connect(_address(folder, directory, name))
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        return True
    return True


def folder_of(home: str) -> str:
    """The folder of the sockets of a home. Raises OSError."""
    folder = os.path.join(home, "notifiers")
    if not PORTABLE or len(os.fsencode(folder)) + _LONGEST_NAME <= _LONGEST_PATH:
        return folder
    place = f"/tmp/llm-gateway-{os.geteuid()}"  # noqa: S108  its owner and mode are checked
    home_status = os.stat(home)
    folder = f"{place}/{home_status.st_dev:x}-{home_status.st_ino:x}"
    make_private(folder)
    for path in (place, folder):
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(f"{path} is not a private folder of this user")
    return folder


def _address(folder: str, directory: int, name: str) -> str:
    path = os.path.join(folder, name)
    if not PORTABLE and len(os.fsencode(path)) > _LONGEST_PATH and os.path.isdir("/proc/self/fd"):
        return f"/proc/self/fd/{directory}/{name}"
    return path


def _unlink(directory: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:
        return False
    return True
