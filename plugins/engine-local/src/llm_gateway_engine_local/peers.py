"""The gateways of one home on one machine: each holds a lock while it lives, and receives the others' notifications."""

from __future__ import annotations

import os
from pathlib import Path

from llm_gateway import JobId

from .lease import Lease, is_alive
from .notifier import Notifier, notify


class Peers:
    """One gateway among the others of its home."""

    def __init__(self, home: Path, gateway_id: str) -> None:
        self._home = home
        self._lease = Lease(home, gateway_id)
        self._notifier = Notifier(home, gateway_id)
        self.receive = self._notifier.receive

    def register(self) -> None:
        """Begin to live and to hear. Raises TimeoutError when another process lives under this id."""
        self._lease.open()
        self._notifier.open()

    def unregister(self) -> None:
        """End. Idempotent."""
        self._notifier.close()
        self._lease.close()

    def is_alive(self, gateway_id: str) -> bool:
        """Say whether a gateway lives."""
        return is_alive(self._home, gateway_id)

    def notify(self, job_id: JobId) -> None:
        """Ring for a job."""
        notify(self._home, os.fsencode(job_id))
