"""What a transport must do: show operations to callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway


class Transport(Protocol):
    """A way in."""

    async def serve(self, gateway: Gateway) -> None:
        """Serve callers until they are gone; cancelled when the gateway must end. The gateway is open."""
