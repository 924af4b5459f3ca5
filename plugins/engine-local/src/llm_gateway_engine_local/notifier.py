"""Let every gateway of one home hear at once that something changed.

Each gateway binds a datagram socket `<home>/notifiers/<gateway id>`. A notifier is a hint: whoever hears it looks at the truth, in the
store. Where the home's path is too long for a socket (about 100 bytes; on Linux /proc shortens it) a gateway stays deaf, and
`heard` just waits: look at the store now and then as well.

Standard library and the kernel's `files` only, but for waiting: shims ring too, and start in milliseconds.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from llm_gateway.files import make_private

OVERFLOW = ""  #: in what was heard: more happened than fitted in the receiver, look everywhere
_LONGEST_PATH = 100


def notify(home: str | os.PathLike[str], payload: bytes) -> None:
    """Tell every gateway of this home. Never blocks, never raises; the notifiers of dead gateways are taken down."""
    try:
        folder = os.path.join(home, "notifiers")
        names = [name for name in os.listdir(folder) if not name.endswith(".missed")]
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
            _unlink(directory, f"{name}.missed")
        except OSError:
            # Full, most likely. Leave word, then try again: if it is full still, the receiver has yet to find the word.
            if attempt == 0 and os.path.exists(os.path.join(folder, name)):
                try:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
                    os.close(os.open(f"{name}.missed", flags, 0o600, dir_fd=directory))
                except OSError:
                    return
                continue
        return


class Notifier:
    """A gateway's receiver."""

    def __init__(self, home: str | os.PathLike[str], gateway_id: str) -> None:
        self._folder = os.path.join(home, "notifiers")
        self._name = gateway_id
        self._socket: socket.socket | None = None
        self._directory = -1

    def open(self) -> None:
        """Begin to listen."""
        make_private(self._folder)
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
        """Wait for a notifier; answer all payloads that are there by then, and OVERFLOW if some got lost."""
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
        if _unlink(self._directory, f"{self._name}.missed"):
            payloads.add(OVERFLOW)
        return payloads

    def close(self) -> None:
        """Stop to listen. Idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._directory >= 0:
            _unlink(self._directory, self._name)
            _unlink(self._directory, f"{self._name}.missed")
            os.close(self._directory)
            self._directory = -1


def _address(folder: str, directory: int, name: str) -> str:
    path = os.path.join(folder, name)
    if len(os.fsencode(path)) > _LONGEST_PATH and os.path.isdir("/proc/self/fd"):
        return f"/proc/self/fd/{directory}/{name}"
    return path


def _unlink(directory: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:
        return False
    return True
