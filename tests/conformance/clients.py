"""Programs that speak MCP and are not ours: each lists the tools of `llm-gateway serve`, and calls them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import anyio
from mcp import Client, StdioServerParameters, stdio_client, types

from tests.conformance.installing import INSPECTOR, brought, node

CALL_S = 120


@dataclass(frozen=True, kw_only=True)
class Tool:
    """What a client is shown."""

    name: str
    output_schema: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a client is told."""

    failed: bool
    words: str
    data: dict[str, Any]


class McpClient(Protocol):
    """A client of the gateway."""

    async def tools(self) -> list[Tool]:
        """List them."""

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call one."""


class Sdk:
    """The Python SDK's client. It holds every answer to the tool's output schema by itself."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[Tool]:
        """List them."""
        tools = (await self._client.list_tools()).tools
        return [Tool(name=tool.name, output_schema=tool.output_schema or {}) for tool in tools]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call one."""
        told = await self._client.call_tool(tool, dict(arguments))
        assert told.structured_content is not None
        assert isinstance(told.content[0], types.TextContent)
        return Answer(failed=told.is_error is True, words=told.content[0].text, data=told.structured_content)


class Inspector:
    """The MCP inspector's command line: a process, and a gateway, for each call."""

    def __init__(self, env: Mapping[str, str], work: Path) -> None:
        self._env = {**env, "PATH": f"{node().parent}:{env['PATH']}", "HOME": str(work.parent)}
        self._work = work

    async def tools(self) -> list[Tool]:
        """List them; `--strict`: schemas that some client could not use end it with a failure."""
        told = await self._run("tools/list", "--strict")
        return [Tool(name=tool["name"], output_schema=tool["outputSchema"]) for tool in told["tools"]]

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call one."""
        given = [word for name, value in arguments.items() for word in ("--tool-arg", f"{name}={_spelled(value)}")]
        told = await self._run("tools/call", "--tool-name", tool, *given)
        failed = bool(told.get("isError"))
        return Answer(failed=failed, words=told["content"][0]["text"], data=told["structuredContent"])

    async def _run(self, method: str, *options: str) -> dict[str, Any]:
        program = brought(*INSPECTOR) / "clients" / "launcher" / "build" / "index.js"
        ours = [f"{name}={value}" for name, value in self._env.items() if name.startswith("LLM_GATEWAY_")]
        given = [word for pair in ours for word in ("-e", pair)]  # it hands on no other variables
        command = [str(node()), str(program), "--cli", *given, *serving(), "--method", method, *options]
        with anyio.fail_after(CALL_S):
            done = await anyio.run_process(command, env=self._env, cwd=self._work, check=False)
        try:
            return dict(json.loads(done.stdout))
        except ValueError:
            raise AssertionError(f"{method} {options}: {done.stdout.decode()}{done.stderr.decode()}") from None


def serving() -> list[str]:
    """The command that a client starts."""
    return [sys.executable, "-m", "llm_gateway.cli", "serve"]


@asynccontextmanager
async def connect(name: str, env: Mapping[str, str], work: Path) -> AsyncIterator[McpClient]:
    """A client, by name: `inspector`, or the SDK's in one of its modes."""
    if name == "inspector":
        yield Inspector(env, work)
        return
    command = StdioServerParameters(command=serving()[0], args=serving()[1:], env=dict(env), cwd=str(work))
    with (work.parent / "log").open("w") as log:
        async with Client(stdio_client(command, errlog=log), mode=name) as client:  # type: ignore[arg-type]  # the test's
            yield Sdk(client)


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
