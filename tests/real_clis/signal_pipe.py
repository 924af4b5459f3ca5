"""A pipe with a name, by which an agent tells a test that it has come so far."""

from __future__ import annotations

import os
import select
from pathlib import Path

from tests.busy import PATIENCE_S


class SignalPipe:
    """A pipe with a name: what an agent's command says into it is heard at once."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.ring = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def wait(self) -> str:
        """The words that came."""
        assert select.select([self.ring], [], [], PATIENCE_S)[0], "nobody rang"
        return os.read(self.ring, 1000).decode().strip()
