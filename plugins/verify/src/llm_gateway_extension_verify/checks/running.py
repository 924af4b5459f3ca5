"""A run ends by the program's signals, and a run gets the MCP servers that a request names."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from llm_gateway import Loopback, ProviderInfo
from llm_gateway.files import read_regular
from llm_gateway_extension_verify.checks.check import Check, Differs, completed
from llm_gateway_extension_verify.surroundings import MCP_SERVER, MCP_WORD, Surroundings

_POLL_S = 0.02
_ASKED_S = 60.0
_MOST_BYTES = 1 << 16


async def ends_by_its_signals(around: Surroundings) -> None:
    """Cancel a run that waits for the model."""
    answers: list[dict[str, Any]] = []

    async def ask() -> None:
        answers.append(await around.ask("HANG"))

    before = around.services.model.asked
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        with anyio.fail_after(_ASKED_S):
            while not any(entry["n"] > before and "words" in entry for entry in around.services.model.entries()):
                if answers:
                    completed(answers[0])
                await anyio.sleep(_POLL_S)
        (job,) = await around.gateway.store.unfinished()
        began = time.monotonic()
        await around.gateway.jobs.cancel(job)
    took_s = time.monotonic() - began
    granted_s = sum(step.grace_s for step in around.info.end_steps)
    if answers[0]["status"] != "canceled":
        raise Differs(f"a canceled run ended as {answers[0]['status']}")
    if took_s >= granted_s:
        raise Differs(f"its signals did not end it within {granted_s:.0f} s; it was killed")
    left = await to_thread.run_sync(_processes_of, str(around.home))
    if left:
        raise Differs(f"it left processes behind: {', '.join(left)}")


def _processes_of(home: str) -> list[str]:
    """Return the processes whose home directory this is. Blocking. Empty where the system does not show environments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*") if os.path.isdir("/proc/self") else ():
        try:
            variables = read_regular(entry / "environ", most_bytes=_MOST_BYTES).split(b"\0")
            command = read_regular(entry / "cmdline", most_bytes=200)
        except OSError:  # it has ended, or belongs to another user
            continue
        if f"HOME={home}".encode() in variables and b"llm_gateway" not in command:
            found.append(command.replace(b"\0", b" ").decode("utf-8", "replace").strip())
    return found


async def gets_its_servers(around: Surroundings) -> None:
    """Name an MCP server in a request."""
    completed(await around.ask("SAY:served", mcpServers=[MCP_SERVER]))
    notes = around.root / MCP_SERVER
    if not notes.exists():
        raise Differs("the MCP server was not started")
    lines = read_regular(notes, most_bytes=_MOST_BYTES).decode().splitlines()
    if f"word {MCP_WORD}" not in lines:
        raise Differs("the MCP server was started without its environment")
    if "tools/list" not in lines:
        raise Differs(f"the MCP server was not asked for its tools; it was asked: {', '.join(lines[1:])}")


def _no_servers(info: ProviderInfo, loopback: Loopback) -> str:
    return "" if "mcpServers" in info.supports else "its plugin declares no MCP servers"


CHECKS = [
    Check(
        id="signals", summary="A canceled run ends by its own signals and leaves no process.", run=ends_by_its_signals
    ),
    Check(
        id="mcp",
        summary="An MCP server that a request names is started with its environment and asked for its tools.",
        run=gets_its_servers,
        unless=_no_servers,
    ),
]
