"""A real program behind the real gateway, asked by a real MCP client."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters, stdio_client

from tests.busy import PATIENCE_S
from tests.real_clis.agent import RealAgent


class Caller:
    """An assistant that uses the gateway."""

    def __init__(self, client: Client, agent: RealAgent) -> None:
        self._client = client
        self._agent = agent

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its structured answer."""
        result = await self._client.call_tool(tool, arguments)
        assert result.structured_content is not None, result
        return dict(result.structured_content)

    async def read(self, uri: str) -> Any:
        """Read a resource of JSON."""
        return json.loads((await self._client.read_resource(uri)).contents[0].text)  # type: ignore[union-attr]  # ours are text

    async def ask(self, prompt: str | None = None, **more: Any) -> dict[str, Any]:
        """Ask the agent in its working directory, and wait."""
        return await self.call(f"{self._agent.name}_request", **self._asked(prompt, more))

    async def start(self, prompt: str | None = None, **more: Any) -> str:
        """Have the agent begin; the job's id."""
        answer = await self.call(f"{self._agent.name}_request_async", **self._asked(prompt, more))
        assert "job" in answer, answer
        return str(answer["job"]["id"])

    async def end_of(self, job: str) -> dict[str, Any]:
        """The result of a job that ends soon."""
        pending = [job]
        while pending:
            pending = (await self.call("llm_job_wait", jobIds=[job], until="all"))["pending"]
        return await self.call("llm_job_result", jobId=job)

    def _asked(self, prompt: str | None, more: dict[str, Any]) -> dict[str, Any]:
        said = {} if prompt is None else {"prompt": prompt}
        servers = {"mcpServers": []} if "mcpServers" in self._agent.info.supports else {}
        return {"workingDir": str(self._agent.work), **servers, **said, **more}


def alive(pid: str) -> bool:
    """Whether a process is there."""
    return Path("/proc", pid).exists()


@asynccontextmanager
async def gateway_of(agent: RealAgent, python: str | Path = sys.executable, **extra: str) -> AsyncIterator[Caller]:
    """A gateway over stdio with the agent on its PATH; `python`: where it is installed; `extra`: more of its environment.

    Calls wait until their run has ended, however busy the machine is.
    """
    home = agent.folder / "gateway"
    home.mkdir(mode=0o700, exist_ok=True)
    environ = {
        **agent.environ,
        "LLM_GATEWAY_HOME": str(home),
        "LLM_GATEWAY_SYNC_DEADLINE_S": "0",
        "PATH": f"{agent.program.parent}{os.pathsep}{agent.environ['PATH']}",
        **extra,
    }
    server = StdioServerParameters(
        command=str(python), args=["-m", "llm_gateway.cli", "serve"], env=environ, cwd=str(agent.folder)
    )
    with (agent.folder / "gateway.log").open("w") as log, anyio.fail_after(PATIENCE_S):
        async with Client(stdio_client(server, errlog=log)) as client:
            yield Caller(client, agent)
