"""An answer in pieces, spread over time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

_PIECE = 4096


async def pieces(text: str, seconds: float) -> AsyncIterator[str]:
    """Cut an answer, and take so long to give it."""
    steps = max(1, int(seconds * 4))
    size = max(1, min(_PIECE, -(-len(text) // steps)))
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    for part in parts:
        yield part
        if seconds:
            await _take(seconds / len(parts))


async def _take(seconds: float) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()
