"""`llm-gateway serve`: serve one client until it disconnects or a signal arrives. Runs continue in both cases."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.running import Scopes, log_to_stderr, log_warnings, run_async
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.opening import find_plugins, open_gateway

_M_ARENA_MAX = -8  #: of glibc's malloc.h


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    _share_arenas()
    log_to_stderr()
    found = find_plugins(os.environ)
    host, settings = found
    transport = host.open_transport(arguments.transport)
    preload = getattr(transport, "preload", None)
    if preload is not None and not arguments.prime:  # imports the modules of the transport while the gateway opens
        preload()

    async def serve(_scopes: Scopes) -> int:
        async with open_gateway(os.environ, found, serving=not arguments.prime) as gateway:
            log_warnings(settings)
            if arguments.prime:
                await getattr(transport, "prime", _nothing)(gateway)
                return Exit.OK
            await transport.serve(gateway)
            await gateway.jobs.drained()  # start all accepted jobs before the process exits
        return Exit.OK

    return run_async(serve, interrupted=Exit.OK)


def _share_arenas() -> None:
    """Limit glibc to two malloc arenas. One arena for each thread needs 5 MB more under load, and grows over time."""
    import ctypes

    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


async def _nothing(_gateway: GatewayApi) -> None:
    """Do nothing: this transport has nothing to prepare."""
