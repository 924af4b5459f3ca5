"""The entry point."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from llm_gateway import McpServer, hookimpl
from llm_gateway.programs import find_executable
from llm_gateway_extension_builtin.mcp_servers.servers import known_servers


@hookimpl
def gateway_mcp_servers() -> Sequence[McpServer]:
    """Those that we know, as far as they can be had here."""
    return known_servers(os.environ, partial(find_executable, environ=os.environ))
