"""Notifications between the gateways and shims of one home.

Each gateway binds a datagram socket `<home>/notifiers/<gateway id>`. A notification is a hint: the receiver reads the store to learn
what changed. A hint can get lost, so a gateway also reads the store now and then. `sockets` says where the sockets of a home with a
long path are. Where none can be bound a gateway receives nothing, and `receive` only waits.

Standard library and `llm_gateway.files` only, but for waiting: shims send notifications, and start in milliseconds.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from .sockets import MISSED, NotPrivateError, address, folder_of, make_folder, remove_folder, remove_unused, unlink

OVERFLOW = ""  #: among the received payloads: some were lost, so check everything
_ATTEMPTS = 5
#: The name of the folder of notifiers in earlier versions.
_FORMER_FOLDER = "bells"


def notify(home: str | os.PathLike[str], payload: bytes) -> None:
    """Send a notification to every gateway of this home. Never blocks, never raises. Removes the sockets of ended gateways."""
    try:
        folder = folder_of(os.fspath(home))
        names = [name for name in os.listdir(folder) if not name.endswith(MISSED)]
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
    receiver = address(folder, directory, name)
    for attempt in range(2):
        try:
            sender.sendto(payload, receiver)
        except ConnectionRefusedError:
            unlink(directory, name)
            unlink(directory, name + MISSED)
        except OSError:
            # Most likely the buffer is full. Leave the mark, then try again: a receiver that drained its buffer before the mark
            # was there gets this payload; one that did not will find the mark.
            if attempt == 0 and os.path.exists(os.path.join(folder, name)):
                try:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
                    os.close(os.open(name + MISSED, flags, 0o600, dir_fd=directory))
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
        remove_unused(os.path.join(self._home, _FORMER_FOLDER))
        for _ in range(_ATTEMPTS):
            if self._try_to_open():
                return

    def _try_to_open(self) -> bool:
        """Bind the socket, or find that it is not possible. False: a gateway that ended meanwhile removed the folder. Try again."""
        try:
            self._folder = make_folder(self._home)
            self._directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            self._socket = self._bind()
        except NotPrivateError:
            return True
        except FileNotFoundError:
            self._close_directory()
            return False
        return True

    def _bind(self) -> socket.socket | None:
        """Bind the socket. None: not possible. Raises FileNotFoundError if the folder was removed."""
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.setblocking(False)
        try:
            unlink(self._directory, self._name)
            receiver.bind(address(self._folder, self._directory, self._name))
            os.chmod(self._name, 0o600, dir_fd=self._directory)
        except OSError as error:
            receiver.close()
            if isinstance(error, FileNotFoundError):
                raise
            return None
        return receiver

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
        if unlink(self._directory, self._name + MISSED):
            payloads.add(OVERFLOW)
        return payloads

    def close(self) -> None:
        """Stop receiving. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._directory >= 0:
            unlink(self._directory, self._name)
            unlink(self._directory, self._name + MISSED)
            self._close_directory()
            remove_folder(self._home, self._folder)

    def _close_directory(self) -> None:
        directory, self._directory = self._directory, -1
        if directory >= 0:
            os.close(directory)
