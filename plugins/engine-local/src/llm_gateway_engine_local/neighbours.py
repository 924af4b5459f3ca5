"""The gateways of one home on one machine: each holds a lock while it lives, and hears the others' bells."""

from __future__ import annotations

import os
from pathlib import Path

from llm_gateway import JobId

from .bells import Bell, ring
from .lives import Life, is_alive


class Neighbourhood:
    """One gateway among the others of its home."""

    def __init__(self, home: Path, gateway_id: str) -> None:
        self._home = home
        self._life = Life(home, gateway_id)
        self._bell = Bell(home, gateway_id)
        self.heard = self._bell.heard

    def join(self) -> None:
        """Begin to live and to hear. Raises TimeoutError when another process lives under this id."""
        self._life.open()
        self._bell.open()

    def leave(self) -> None:
        """End. Idempotent."""
        self._bell.close()
        self._life.close()

    def is_alive(self, gateway_id: str) -> bool:
        """Say whether a gateway lives."""
        return is_alive(self._home, gateway_id)

    def tell(self, job_id: JobId) -> None:
        """Ring for a job."""
        ring(self._home, os.fsencode(job_id))
