"""A gateway in a process of its own: calls come in as JSON lines, answers go out as JSON lines, the end of stdin is its end."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import anyio

from llm_gateway.errors import GatewayError
from llm_gateway.gateway import Gateway
from llm_gateway.model.operation import CallContext
from llm_gateway.opening import open_gateway


async def answer(gateway: Gateway, call: dict[str, Any]) -> None:
    told: dict[str, Any]
    try:
        result = await gateway.call(call["name"], call["arguments"], CallContext(principal=call["principal"]))
        told = {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    except GatewayError as error:
        told = {"error": error.to_wire()}
    tell({"id": call["id"], **told})


def tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def main() -> None:
    async with open_gateway() as gateway, anyio.create_task_group() as tasks:
        tell({"owner": gateway.jobs.owner, "pid": os.getpid()})
        async for line in anyio.wrap_file(sys.stdin):
            tasks.start_soon(answer, gateway, json.loads(line))
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main)
