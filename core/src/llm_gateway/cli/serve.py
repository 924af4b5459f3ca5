"""`llm-gateway serve`: one client, until it closes its end or a signal comes. Runs go on in either case."""

from __future__ import annotations

import argparse
import os
from contextlib import suppress

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.running import Scopes, log_to_stderr, run_async, tell_warnings
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.opening import find_plugins, open_gateway

_M_ARENA_MAX = -8  #: of glibc's malloc.h


def run(arguments: argparse.Namespace) -> int:
    """Serve."""
    _share_arenas()
    log_to_stderr()
    found = find_plugins(os.environ)
    host, settings = found
    transport = host.open_transport(arguments.transport)
    preload = getattr(transport, "preload", None)
    if preload is not None and not arguments.prime:  # what the transport needs is imported while the gateway opens
        preload()

    async def serve(_scopes: Scopes) -> int:
        async with open_gateway(os.environ, found, serving=not arguments.prime) as gateway:
            tell_warnings(settings)
            if arguments.prime:
                await getattr(transport, "prime", _nothing)(gateway)
                return Exit.OK
            await transport.serve(gateway)
            await gateway.jobs.drained()  # what was accepted is started before we leave
        return Exit.OK

    return run_async(serve, interrupted=Exit.OK)


def _share_arenas() -> None:
    """Have threads allocate from two arenas, where the C library can: one for each is 5 MB more under load, and creeps up."""
    import ctypes

    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


async def _nothing(_gateway: GatewayApi) -> None:
    """This transport has nothing to prepare."""
