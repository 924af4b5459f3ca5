"""Our MCP server over HTTP on loopback, for a suite that speaks no stdio.

    python tests/conformance/bridge.py    # prints {"url": ...}; ends when its stdin does

The server is the one that `llm-gateway serve` shows over stdio, over a gateway with every installed plugin and the suite's fixtures.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import anyio
import uvicorn
from anyio import to_thread

from llm_gateway.opening import find_plugins, open_gateway
from llm_gateway_transport_mcp.server import build_server

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conformance import fixtures


async def main() -> None:
    """Serve until stdin ends."""
    environ = dict(os.environ)
    listening = socket.create_server(("127.0.0.1", 0))
    found = find_plugins(environ, [("extension", "conformance", fixtures)])
    async with open_gateway(environ, found) as gateway:
        app = build_server(gateway).streamable_http_app()
        # The bridge ends at once, even if clients are still connected.
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listening])
            print(json.dumps({"url": f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"}), flush=True)
            await to_thread.run_sync(sys.stdin.read)
            server.should_exit = True


anyio.run(main)
