"""The demo's gateway process: started like a client starts it, used through the MCP SDK, and killed."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_gateway import UsageError, gateway_command, open_gateway

if TYPE_CHECKING:
    from mcp import Client

#: Writes the pid to a file and then executes the gateway with the same pid. The SDK has no API for the pid.
_SHELL = 'echo $$ > "$0" && exec "$@"'
_COMMAND = (*gateway_command(), "serve")
#: The `LLM_GATEWAY_` variables that also apply to a temporary home. All others are removed: they may point to the usual home.
_KEPT = ("LLM_GATEWAY_PLUGINS", "LLM_GATEWAY_LOG", "LLM_GATEWAY_DEPTH", "LLM_GATEWAY_PROVIDERS_")


class DemoError(Exception):
    """The gateway refused a call of the demo, or the connection ended."""


class DemoGateway:
    """One process of the gateway."""

    def __init__(self, client: Client, pid: int) -> None:
        self.pid = pid
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its structured answer, also for a failed job. Raises DemoError if the call was refused."""
        answer = await self._client.call_tool(tool, arguments)
        data: dict[str, Any] = dict(answer.structured_content or {})
        if answer.is_error and "jobId" not in data:
            raise DemoError("\n".join(block.text for block in answer.content if block.type == "text"))
        return data

    async def tools(self) -> set[str]:
        """Return the names of its tools."""
        return {tool.name for tool in (await self._client.list_tools()).tools}

    def kill(self) -> None:
        """Send SIGKILL: the gateway cannot clean up."""
        os.kill(self.pid, signal.SIGKILL)


@asynccontextmanager
async def gateway_process(home: Path, environ: Mapping[str, str]) -> AsyncIterator[DemoGateway]:
    """Start `llm-gateway serve` and connect to it."""
    try:
        from mcp import Client, StdioServerParameters
    except ImportError:
        raise UsageError(
            "the demo is an MCP client and needs the MCP SDK; install it with: pip install llm-gateway-transport-mcp"
        ) from None
    logging.getLogger("mcp").setLevel(
        logging.CRITICAL
    )  # the SDK would log that its server died, which is intended here
    pid_file = home / "demo.pid"
    server = StdioServerParameters(
        command="/bin/sh", args=["-c", _SHELL, str(pid_file), *_COMMAND], env=dict(environ), cwd=os.getcwd()
    )
    async with Client(server, read_timeout_seconds=90) as client:
        yield DemoGateway(client, int(pid_file.read_text()))


def demo_environment(home: Path, *, fresh: bool) -> dict[str, str]:
    """Return the environment of the gateway. With a temporary home it has no settings of the usual home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not (fresh and name.startswith("LLM_GATEWAY_") and not name.startswith(_KEPT))
    }
    return {**kept, "LLM_GATEWAY_HOME": str(home), "LLM_GATEWAY_ECHO_HOME": str(home / "echo")}


async def cancel_all(environ: Mapping[str, str]) -> None:
    """Cancel the jobs that still run in the home after an interrupted demo."""
    async with open_gateway(environ) as gateway:
        jobs = await gateway.store.unfinished()
        for job in jobs:
            await gateway.jobs.cancel(job)
        await gateway.jobs.wait([job.id for job in jobs], until_all=True, timeout_s=15)


def is_running(pid: int | None) -> bool:
    """Return whether a process exists. Signal 0 only checks for the process."""
    if pid is None:
        return False
    with suppress(OSError):
        os.kill(pid, 0)
        return True
    return False
