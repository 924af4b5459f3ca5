"""Run the asynchronous part of a command: logging, signals, an open gateway."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio

from llm_gateway.cli.exits import Exit, UsageError
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.operation import AskHuman, CallContext
from llm_gateway.opening import open_gateway
from llm_gateway.settings import Settings

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
#: How long an interrupted command waits until a job that it has just submitted is started.
_START_S = 2.0
log = logging.getLogger("llm_gateway.cli")


def log_to_stderr() -> None:
    """Send the log to stderr, at the level of LLM_GATEWAY_LOG. stdout is for the protocol or the answer only."""
    level = os.environ.get("LLM_GATEWAY_LOG", "").upper() or "WARNING"
    if level not in LEVELS:
        raise UsageError(f"LLM_GATEWAY_LOG must be one of {', '.join(LEVELS)}")
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def log_warnings(settings: Settings) -> None:
    """Log the warnings about the settings."""
    for warning in settings.warnings:
        log.warning("settings: %s", warning)


Scopes = list[anyio.CancelScope]


def run_async(work: Callable[[Scopes], Awaitable[int]], *, interrupted: int = Exit.INTERRUPTED) -> int:
    """Run until the end, or until SIGINT or SIGTERM. Further signals have no effect.

    :param work: gets a list of cancel scopes. A signal cancels the last one; `work` may append an inner scope.
    :param interrupted: the exit code after a signal.
    """

    async def run_with_signals() -> int:
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

    code = anyio.run(run_with_signals, backend="asyncio")
    if code == Exit.INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the last output
    return code


async def call_operation(
    gateway: GatewayApi, name: str, arguments: Mapping[str, Any], ask: AskHuman | None = None
) -> dict[str, Any]:
    """Run an operation for the user of this machine. Returns the answer in wire format. Raises UsageError if it does not exist."""
    if name not in gateway.operations:
        raise UsageError(f"the operation {name} is not available: install or load llm-gateway-extension-operations")
    result = await gateway.call(name, arguments, CallContext(ask=ask))
    found: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def with_gateway(work: Callable[[GatewayApi], Awaitable[int]]) -> int:
    """Open the gateway of this home and run `work` with it."""
    from llm_gateway.cli.quick import GROUPS, Mark
    from llm_gateway.entry_points import find

    log_to_stderr()
    mark = Mark(os.environ, find(GROUPS))
    is_valid = False

    async def run_work(scopes: Scopes) -> int:
        nonlocal is_valid
        code: int = Exit.INTERRUPTED
        async with open_gateway() as gateway:
            log_warnings(gateway.settings)
            is_valid = not (gateway.settings.warnings or gateway.host.problems)
            with anyio.CancelScope() as scope:  # a signal cancels only the work; the gateway is then closed properly
                scopes.append(scope)
                code = await work(gateway)
            with anyio.move_on_after(_START_S if scope.cancelled_caught else 0):
                await gateway.jobs.drained()  # a job that was just accepted gets its process
        return code

    code = run_async(run_work)
    if is_valid:
        mark.leave()
    return code
