"""The entry point: an engine for `local:`. Cheap to import; the engine itself is imported when it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_gateway import hookimpl

if TYPE_CHECKING:
    from llm_gateway import Engine


@hookimpl
def gateway_open_engine(url: str, home: str) -> Engine | None:
    """Answer to `local:`."""
    if not url.startswith("local:"):
        return None
    from llm_gateway_engine_local.client import LocalEngine

    return LocalEngine(Path(home))
