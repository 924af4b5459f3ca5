"""A run that was launched by this gateway: its message, and the descriptor that its shim holds."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(slots=True)
class Launched:
    message: bytes
    fd: int  #: ends with the shim; -1 once it did
    launches: int = 1
    begun: bool = False  #: its shim has said that it began

    def hear(self) -> None:
        """Take what the shim has said, which may be its end."""
        if self.fd < 0:
            return
        try:
            said = os.read(self.fd, 64)
        except BlockingIOError:  # another waiter took it
            return
        if said:
            self.begun = True
        else:
            self.close()

    def close(self) -> None:
        """Hear no more. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
