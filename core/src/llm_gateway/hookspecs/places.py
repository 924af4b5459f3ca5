"""Hooks that open a store, an engine or a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_gateway.hookspecs.marks import asked_of

if TYPE_CHECKING:
    from llm_gateway.model.engine import Engine
    from llm_gateway.model.operation import Transport
    from llm_gateway.model.store import Store


@asked_of("store", required=True)
def gateway_open_store(url: str, home: str) -> Store | None:
    """Create a store for a URL, without opening it.

    Called once at start, with `[store] url`, on the plugin whose entry-point name is the URL's scheme.

    :param url: such as `sqlite:///path/to/file` (absolute path; empty: a file in `home`).
    :param home: the gateway's home directory.

    None: the plugin does not support this URL.

    Example:
        @hookimpl
        def gateway_open_store(url, home):
            return MemoryStore() if url.startswith("memory:") else None
    """


@asked_of("engine", required=True)
def gateway_open_engine(url: str, home: str) -> Engine | None:
    """Create an engine for a URL, without opening it.

    Called once at start, with `[engine] url`, on the plugin whose entry-point name is the URL's scheme.

    :param url: such as `local:`.
    :param home: the gateway's home directory; job folders are `<home>/jobs/<job id>/`.

    None: the plugin does not support this URL.

    Example:
        @hookimpl
        def gateway_open_engine(url, home):
            return LocalEngine(Path(home)) if url.startswith("local:") else None
    """


@asked_of("transport", required=True)
def gateway_open_transport(name: str) -> Transport | None:
    """Create a transport.

    Called once by `llm-gateway serve`, on the plugin with this entry-point name.

    :param name: such as `mcp`.

    None: the plugin does not have this transport.

    Example:
        @hookimpl
        def gateway_open_transport(name):
            return McpTransport() if name == "mcp" else None
    """
