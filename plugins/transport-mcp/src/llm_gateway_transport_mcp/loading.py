"""Import the SDK. It takes half a second, so it is done when something needs it, in a thread."""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType


def import_sdk() -> ModuleType:
    """Import the SDK's server, without garbage collection, and exclude all objects so far from later collections."""
    gc.disable()
    try:
        return import_module("llm_gateway_transport_mcp.server")
    finally:
        gc.freeze()
        gc.enable()
