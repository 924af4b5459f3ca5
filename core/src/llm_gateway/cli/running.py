"""Running a command's asynchronous part: logging, signals, an open gateway."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.failures import UsageError
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.operation import AskHuman, CallContext
from llm_gateway.opening import open_gateway
from llm_gateway.settings import Settings

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
#: How long an interrupted command waits until the job that it has just handed in runs.
_LEAVE_S = 2.0
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


Scopes = list[anyio.CancelScope]


def run_async(work: Callable[[Scopes], Awaitable[int]], *, interrupted: int = Exit.INTERRUPTED) -> int:
    """Run to the end, or to SIGINT or SIGTERM; more signals change nothing.

    :param work: given the scopes of which a signal cancels the last; it may add an inner one.
    :param interrupted: the exit code after a signal.
    """

    async def whole() -> int:
        code = interrupted
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with anyio.create_task_group() as tasks:
                scopes = [tasks.cancel_scope]

                async def listen() -> None:
                    async for _ in signals:
                        scopes[-1].cancel()

                tasks.start_soon(listen)
                code = await work(scopes)
                tasks.cancel_scope.cancel()
        return code

    code = anyio.run(whole, backend="asyncio")
    if code == Exit.INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not tear the last words
    return code


async def call(
    gateway: GatewayApi, name: str, arguments: Mapping[str, Any], ask: AskHuman | None = None
) -> dict[str, Any]:
    """Carry out an operation for the person at this machine; the answer as on the wire. Raises UsageError if nobody brings it."""
    if name not in gateway.operations:
        raise UsageError(f"{name} is not there: llm-gateway-extension-operations is not installed, or not loaded")
    result = await gateway.call(name, arguments, CallContext(ask=ask))
    found: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def with_gateway(work: Callable[[GatewayApi], Awaitable[int]]) -> int:
    """Open the gateway of this home and work with it."""
    log_to_stderr()

    async def whole(scopes: Scopes) -> int:
        code: int = Exit.INTERRUPTED
        async with open_gateway() as gateway:
            tell_warnings(gateway.settings)
            with anyio.CancelScope() as scope:  # a signal ends the work alone, so that the gateway can be left in order
                scopes.append(scope)
                code = await work(gateway)
            with anyio.move_on_after(_LEAVE_S if scope.cancelled_caught else 0):
                await gateway.jobs.drained()  # what was accepted a moment ago gets its process
        return code

    return run_async(whole)
