"""The local engine as a plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_gateway.hookspecs import hookimpl

if TYPE_CHECKING:
    from llm_gateway.model.engine import Engine


@hookimpl
def gateway_open_engine(url: str, home: str) -> Engine | None:
    """Answer to `local:`."""
    if not url.startswith("local:"):
        return None
    from llm_gateway.keeper.client import LocalEngine

    return LocalEngine(Path(home))
