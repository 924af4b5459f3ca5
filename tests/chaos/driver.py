"""A gateway in a process of its own, in the hands of a test: JSON lines in, JSON lines out, the end of stdin is its end.

It imports everything and says `warm`; it opens at the first line, so that what a test measures is the gateway and not the
interpreter.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio

from llm_gateway.errors import GatewayError
from llm_gateway.gateway import Gateway
from llm_gateway.model.operation import CallContext
from llm_gateway.opening import find_plugins, open_gateway

if os.environ.get("LLM_GATEWAY_PORTABLE") == "1":  # nothing may use what only Linux has: see `no_linux`
    sys.path.append(str(Path(__file__).parents[2] / "plugins" / "engine-local" / "tests"))
    import no_linux

    no_linux.forbid()
    no_linux.watch_starter()


async def answer(gateway: Gateway, call: dict[str, Any]) -> None:
    told: dict[str, Any]
    try:
        result = await gateway.call(call["name"], call["arguments"], CallContext())
        told = {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    except GatewayError as error:
        told = {"error": error.to_wire()}
    tell({"id": call["id"], **told})


def tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def told_lines(descriptor: int) -> AsyncIterator[bytes]:
    """What the test says, read without a thread, which might not be had. (`serve` has one for it from the beginning.)"""
    rest = b""
    while True:
        await anyio.wait_readable(descriptor)
        if not (more := os.read(descriptor, 1 << 16)):
            return
        *whole, rest = (rest + more).split(b"\n")
        for line in whole:
            yield line


async def main() -> None:
    found = find_plugins(os.environ)
    tell({"event": "warm"})
    lines = told_lines(sys.stdin.fileno())
    if await anext(lines, None) is None:
        return
    begun = time.monotonic()
    async with open_gateway(found=found) as gateway:
        tell({"event": "open", "owner": gateway.jobs.owner, "took_s": time.monotonic() - begun})
        async with anyio.create_task_group() as tasks:
            async for line in lines:
                tasks.start_soon(answer, gateway, json.loads(line))
            tasks.cancel_scope.cancel()
        await gateway.jobs.drained()  # as `serve` does: what was accepted is started before we leave


if __name__ == "__main__":
    anyio.run(main)
