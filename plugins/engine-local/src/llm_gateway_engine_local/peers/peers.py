"""The gateways of one home on one machine: each holds a lease, and receives the notifications of the others."""

from __future__ import annotations

import os
from pathlib import Path

from llm_gateway import JobId

from .lease import Lease, is_alive
from .notifier import Notifier, notify


class Peers:
    """One gateway and its peers."""

    def __init__(self, home: Path, gateway_id: str) -> None:
        self._home = home
        self._lease = Lease(home, gateway_id)
        self._notifier = Notifier(home, gateway_id)
        self.receive = self._notifier.receive

    def register(self) -> None:
        """Acquire the lease and open the notifier. Raises TimeoutError when another process holds this id."""
        self._lease.open()
        self._notifier.open()

    def unregister(self) -> None:
        """Close both. Idempotent."""
        self._notifier.close()
        self._lease.close()

    def is_alive(self, gateway_id: str) -> bool:
        """Whether a gateway is running."""
        return is_alive(self._home, gateway_id)

    def notify(self, job_id: JobId) -> None:
        """Send a notification about a job to every gateway of the home."""
        notify(self._home, os.fsencode(job_id))
