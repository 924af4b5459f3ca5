"""The lease of a gateway: `<home>/gateways/<gateway id>`."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from llm_gateway.files import make_private
from llm_gateway.leases import is_leased, release_lease, take_lease

if TYPE_CHECKING:
    from pathlib import Path

_ACQUIRE_S = 2.0
_PAUSE_S = 0.005


class Lease:
    """The lease of one gateway."""

    def __init__(self, home: Path, gateway_id: str) -> None:
        self._path = home / "gateways" / gateway_id
        self._descriptor: int | None = None

    def open(self) -> None:
        """Acquire the lease. Raises TimeoutError when another process holds it."""
        make_private(self._path.parent)
        deadline = time.monotonic() + _ACQUIRE_S
        while time.monotonic() < deadline:
            with suppress(OSError):  # such as no free descriptor: try again
                self._descriptor = take_lease(self._path, create=True)
            if self._descriptor is not None:
                return
            time.sleep(_PAUSE_S)  # another gateway checks it just now, or removed it as that of an ended gateway
        raise TimeoutError(f"another process holds the lease of {self._path.name}")

    def close(self) -> None:
        """Release the lease. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            release_lease(self._path, descriptor)


def is_alive(home: str | os.PathLike[str], gateway_id: str) -> bool:
    """Whether a gateway is running. If the lease cannot be checked, the answer is True."""
    return is_leased(os.path.join(home, "gateways", gateway_id))
