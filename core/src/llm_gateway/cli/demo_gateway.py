"""A gateway of the demo's own: started as any client starts it, spoken to through the MCP SDK's client, and killed."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_gateway.cli.failures import UsageError
from llm_gateway.installations import gateway_command

if TYPE_CHECKING:
    from mcp import Client

#: Notes the pid that it keeps when it becomes the gateway: the SDK does not tell it.
_SHELL = 'echo $$ > "$0" && exec "$@"'
_COMMAND = (*gateway_command(), "serve")
#: What a fresh home must not inherit from the settings of the usual one.
_KEPT = ("LLM_GATEWAY_PLUGINS", "LLM_GATEWAY_LOG", "LLM_GATEWAY_DEPTH", "LLM_GATEWAY_PROVIDERS_")


class DemoError(Exception):
    """The gateway refused what the demo asked for."""


class DemoGateway:
    """One life of the gateway."""

    def __init__(self, client: Client, pid: int) -> None:
        self.pid = pid
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its structured answer, also that of a job that failed. Raises DemoError if it was refused."""
        answer = await self._client.call_tool(tool, arguments)
        data: dict[str, Any] = dict(answer.structured_content or {})
        if answer.is_error and "jobId" not in data:
            raise DemoError("\n".join(block.text for block in answer.content if block.type == "text"))
        return data

    async def tools(self) -> set[str]:
        """The names of its tools."""
        return {tool.name for tool in (await self._client.list_tools()).tools}

    def kill(self) -> None:
        """SIGKILL: no last words, no cleaning up."""
        os.kill(self.pid, signal.SIGKILL)


@asynccontextmanager
async def gateway_process(home: Path, environ: Mapping[str, str]) -> AsyncIterator[DemoGateway]:
    """Start `llm-gateway serve` and connect to it."""
    try:
        from mcp import Client, StdioServerParameters
    except ImportError:
        raise UsageError(
            "the demo is an MCP client and needs the MCP SDK, which comes with the transport: "
            "pip install llm-gateway-transport-mcp"
        ) from None
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it will complain that its server died; that is the point
    pid_file = home / "demo.pid"
    server = StdioServerParameters(
        command="/bin/sh", args=["-c", _SHELL, str(pid_file), *_COMMAND], env=dict(environ), cwd=os.getcwd()
    )
    async with Client(server, read_timeout_seconds=90) as client:
        yield DemoGateway(client, int(pid_file.read_text()))


def demo_environment(home: Path, *, fresh: bool) -> dict[str, str]:
    """The gateway's environment; in a fresh home without the usual home's settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (fresh and name.startswith("LLM_GATEWAY_") and not name.startswith(_KEPT))
    }
    return {**kept, "LLM_GATEWAY_HOME": str(home), "LLM_GATEWAY_ECHO_HOME": str(home / "echo")}


async def end_everything(environ: Mapping[str, str]) -> None:
    """End the jobs that an interrupted demo left running in its home."""
    from llm_gateway.opening import open_gateway

    async with open_gateway(environ) as gateway:
        left = await gateway.store.unfinished()
        for job in left:
            await gateway.jobs.cancel(job)
        await gateway.jobs.wait([job.id for job in left], until_all=True, timeout_s=15)


def is_running(pid: int | None) -> bool:
    """Whether a process of ours is there. A pid is only asked for, never signalled."""
    if pid is None:
        return False
    with suppress(OSError):
        os.kill(pid, 0)
        return True
    return False
