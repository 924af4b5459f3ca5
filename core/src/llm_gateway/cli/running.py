"""Running a command's asynchronous part: logging, signals, an open gateway."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import anyio

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.failures import UsageError
from llm_gateway.gateway import Gateway, open_gateway
from llm_gateway.settings import Settings

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
log = logging.getLogger("llm_gateway.cli")


def log_to_stderr() -> None:
    """Send the log to stderr, at the level of LLM_GATEWAY_LOG: stdout belongs to a protocol, or to the answer."""
    level = os.environ.get("LLM_GATEWAY_LOG", "").upper() or "WARNING"
    if level not in LEVELS:
        raise UsageError(f"LLM_GATEWAY_LOG must be one of {', '.join(LEVELS)}")
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def tell_warnings(settings: Settings) -> None:
    """Log what the settings say that will not be heard."""
    for warning in settings.warnings:
        log.warning("settings: %s", warning)


def run_async(work: Callable[[], Awaitable[int]], *, interrupted: int = Exit.INTERRUPTED) -> int:
    """Run to the end, or to SIGINT or SIGTERM, which cancel the work; more signals change nothing.

    :param interrupted: the exit code then.
    """

    async def whole() -> int:
        code = interrupted
        async with anyio.create_task_group() as tasks:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

                async def listen() -> None:
                    async for _ in signals:
                        tasks.cancel_scope.cancel()

                tasks.start_soon(listen)
                code = await work()
                tasks.cancel_scope.cancel()
        if tasks.cancel_scope.cancelled_caught and code == interrupted:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not tear the last words
        return code

    return anyio.run(whole, backend="asyncio")


def with_gateway(work: Callable[[Gateway], Awaitable[int]]) -> int:
    """Open the gateway of this home and work with it."""
    log_to_stderr()

    async def whole() -> int:
        async with open_gateway() as gateway:
            tell_warnings(gateway.settings)
            return await work(gateway)

    return run_async(whole)
