"""Agents whose program is not on this machine: not listed, named elsewhere, and listed as soon as the program appears."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client, types

from llm_gateway.errors import NotInstalled
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio
WAIT_S = 60.0
ECHO = Path(sys.executable).with_name("llm-gateway-echo")
PAIR = {"echo_request", "echo_request_async"}


@pytest.fixture
def bare(home: Home, tmp_path: Path) -> Home:
    """A home on a machine without any agent's program."""
    home.env |= {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    moved = (
        "NVM_",
        "VOLTA_",
        "MISE_",
        "ASDF_",
        "BUN_",
        "PNPM_",
        "UV_",
        "PIPX_",
        "XDG_DATA_HOME",
        "XDG_BIN_HOME",
        "npm_",
    )
    for name in [name for name in home.env if name.startswith(moved)]:
        del home.env[name]
    return home


@pytest.fixture
def program(bare: Home, tmp_path: Path) -> Path:
    """Where the program of the imitation is expected; it is not there."""
    path = tmp_path / "programs" / "agent"
    path.parent.mkdir()
    bare.set(providers__echo__executable=path)
    return path


def install(path: Path) -> None:
    written = path.with_name("written")
    written.write_text(f'#!/bin/sh\nexec "{ECHO}" "$@"\n')
    written.chmod(0o755)
    written.replace(path)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)


class Connection:
    """A client of a gateway process that counts the changes of the tool list it was told of."""

    def __init__(self) -> None:
        self.client: Client
        self._changes = anyio.Semaphore(0)

    async def receive(self, message: Any) -> None:
        """Count the notifications of the era without subscriptions."""
        if isinstance(message, types.ToolListChangedNotification):
            self._changes.release()

    async def listen(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with self.client.listen(tools_list_changed=True) as changes:
            task_status.started()
            async for _ in changes:
                self._changes.release()

    async def next_change(self) -> None:
        with anyio.fail_after(WAIT_S):
            await self._changes.acquire()

    async def tools(self) -> set[str]:
        return {tool.name for tool in (await self.client.list_tools()).tools}


@asynccontextmanager
async def connect(home: Home, mode: str) -> AsyncIterator[Connection]:
    program, *words = [*home.python, "-m", "llm_gateway.cli", "serve"]
    command = StdioServerParameters(command=program, args=words, env=home.env, cwd=str(home.work))
    connection = Connection()
    handler = connection.receive if mode == "legacy" else None
    with (home.work / "log").open("a") as log, anyio.fail_after(2 * WAIT_S):
        async with (
            Client(stdio_client(command, errlog=log), mode=mode, message_handler=handler) as client,
            anyio.create_task_group() as tasks,
        ):
            connection.client = client
            if mode != "legacy":
                await tasks.start(connection.listen)
            yield connection
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_program_that_appears_or_disappears_while_the_gateway_serves_changes_the_list(
    bare: Home, program: Path, mode: str
) -> None:
    call = {"prompt": "hello", "workingDir": str(bare.work)}
    async with connect(bare, mode) as connection:
        assert not PAIR & await connection.tools()
        failed = await connection.client.call_tool("echo_request", call)
        install(program)
        await connection.next_change()
        assert await connection.tools() >= PAIR
        answered = await connection.client.call_tool("echo_request", call)
        remove(program)
        await connection.next_change()
        assert not PAIR & await connection.tools()
    assert failed.is_error
    assert "not_installed" in failed.content[0].text  # type: ignore[union-attr]
    assert "pip install llm-gateway-provider-echo" in failed.content[0].text  # type: ignore[union-attr]
    assert answered.content[0].text == "echo: hello"  # type: ignore[union-attr]


@pytest.mark.parametrize("primed", [False, True])
async def test_the_handshake_cache_lists_what_is_present_now(bare: Home, program: Path, primed: bool) -> None:
    prime = [*bare.python, "-m", "llm_gateway.cli", "serve", "--prime"]
    for present in (False, True, False):
        if present:
            install(program)
        else:
            remove(program)
        if primed:
            await anyio.run_process(prime, env=bare.env, cwd=bare.work)
        async with connect(bare, "legacy") as connection:
            assert (await connection.tools() >= PAIR) is present
            assert ("echo" in (connection.client.instructions or "").partition("Not listed")[0]) is present


def test_a_manifest_of_another_state_is_not_used(bare: Home, program: Path) -> None:
    """The cache alone answers here: its process never gets as far as the SDK."""
    install(program)
    subprocess.run([*bare.python, "-m", "llm_gateway.cli", "serve", "--prime"], env=bare.env, check=True, timeout=60)
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    request = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}) + "\n"
    code = "import os; from llm_gateway_transport_mcp import handshake_cache; handshake_cache.start(os.environ)"

    def answered() -> bool:
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, input=request, env=bare.env, stdout=subprocess.PIPE, text=True, timeout=60, check=True
        )
        return bool(done.stdout)

    assert answered()
    program.unlink()
    assert not answered()
    install(program)
    assert answered()


async def test_the_gateway_names_absent_agents_and_says_how_to_install_them(bare: Home) -> None:
    async with bare.open() as caller:
        listed = {operation.name for operation in caller.gateway.listed_operations()}
        versions = await caller.call("cli_versions")
        health = await caller.call("llm_process_health")
        error = await refused(NotInstalled, caller.call("codex_request", prompt="x", workingDir=str(bare.work)))
        instructions = caller.gateway.instructions
    absent = {"claude", "codex", "gemini", "grok", "mistral"}
    assert {name for name in listed if name.endswith(("_request", "_request_async"))} == PAIR
    assert all(name in instructions.partition("Not listed")[2] for name in absent)
    assert "cli_versions" in instructions.partition("Not listed")[2]
    assert {one["name"] for one in versions["providers"] if not one["installed"]} == absent
    assert all("install" in one["recovery"].casefold() for one in versions["providers"] if not one["installed"])
    assert {name for name, found in health["providers"].items() if not found} == absent
    assert set(health["install"]) == absent
    assert "@openai/codex" in (error.recovery or "")
    assert "codex" in health["install"]["codex"]


async def test_a_setting_lists_absent_agents_all_the_same(bare: Home) -> None:
    bare.set(surface__show_absent="true")
    async with bare.open() as caller:
        listed = [operation.name for operation in caller.gateway.listed_operations()]
        assert listed == list(caller.gateway.operations)
        assert "codex_request" in listed


async def test_programs_in_the_users_home_count_as_present_and_their_path_is_told(bare: Home, tmp_path: Path) -> None:
    vibe = tmp_path / ".local/share/uv/tools/mistral-vibe/bin/vibe"
    vibe.parent.mkdir(parents=True)
    vibe.write_text("#!/bin/sh\necho vibe 3.0.0\n")
    vibe.chmod(0o755)
    async with bare.open() as caller:
        assert "mistral_request" in {operation.name for operation in caller.gateway.listed_operations()}
        [found] = (await caller.call("cli_versions", provider="mistral"))["providers"]
    assert (found["installed"], found["path"], found["version"]) == (True, str(vibe), "3.0.0")
    done = await anyio.run_process([*bare.python, "-m", "llm_gateway.cli", "doctor"], env=bare.env, check=False)
    assert str(vibe) in done.stdout.decode()
