"""The entry point: the engine for `local:` URLs. Cheap to import; the engine is imported when it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_gateway import hookimpl

if TYPE_CHECKING:
    from llm_gateway import Engine


@hookimpl
def gateway_open_engine(url: str, home: str) -> Engine | None:
    """Open the engine for `local:` URLs."""
    if not url.startswith("local:"):
        return None
    from llm_gateway_engine_local.engine import LocalEngine

    return LocalEngine(Path(home))
