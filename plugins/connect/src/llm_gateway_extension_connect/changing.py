"""What `llm-gateway connect` and `llm-gateway disconnect` do."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from llm_gateway import Exit, Gateway, GatewayError, UsageError, user_home
from llm_gateway.errors import NotInstalled
from llm_gateway_extension_connect import connecting, files, skills
from llm_gateway_extension_connect.clients import Client, clients
from llm_gateway_extension_connect.server import DoesNotAnswer, check, our_server, prime


async def connect(gateway: Gateway, arguments: argparse.Namespace) -> int:
    """Connect one assistant, or all of this machine. Returns the highest exit code."""
    chosen = _chosen(arguments)
    if not arguments.all:
        return await _connect(gateway, chosen[0], arguments)
    return max([await _connect_if_there(gateway, client, arguments) for client in chosen])


async def _connect_if_there(gateway: Gateway, client: Client, arguments: argparse.Namespace) -> int:
    try:
        return await _connect(gateway, client, arguments)
    except GatewayError as error:
        return _left_out(client, error)


def _chosen(arguments: argparse.Namespace) -> list[Client]:
    """Return the assistants that were named. Raises UsageError."""
    if bool(arguments.client) == arguments.all:
        raise UsageError("name one assistant, or pass --all for every assistant of this machine")
    known = clients(os.environ, Path(user_home(os.environ)))
    return list(known.values()) if arguments.all else [known[arguments.client]]


def _left_out(client: Client, error: GatewayError) -> int:
    """Say why one of all assistants is left out. One that is not installed is no failure."""
    if isinstance(error, NotInstalled):
        print(f"{client.title}: not on this machine")
        return Exit.OK
    print(f"llm-gateway: {client.title}: {error.message}", file=sys.stderr)
    return Exit.FAILED


async def _connect(gateway: Gateway, client: Client, arguments: argparse.Namespace) -> int:
    """Register, install the skill, see that the server answers; what does not answer is taken out again."""
    wanted = [name for info in gateway.providers.values() for name in info.env]
    server = our_server(os.environ, wanted)
    plan = connecting.plan_connect(client, server, trust=arguments.trust, path=os.environ.get("PATH", ""))
    available = await skills.plugin_skills(gateway) if client.skills and not arguments.no_skill else {}
    changes, left = skills.changes(client.skills, available) if client.skills and available else ([], [])
    assert plan.entry
    if arguments.dry_run:
        _preview(plan, changes, left)
        print(f"would start {_words(plan.entry)} and ask it for its tools")
        return 0
    print(f"{client.title}: starting the server once, to see that it answers …", file=sys.stderr, flush=True)
    await anyio.to_thread.run_sync(_write, plan)
    try:
        written = files.read(client.file)
        entry = client.shape.find(written or "")
        assert entry
        tools = await check(entry, os.environ)
    except DoesNotAnswer as problem:
        if plan.changes:
            await anyio.to_thread.run_sync(_take_back, plan)
        print(f"llm-gateway: the server does not answer when {client.title} starts it:\n{problem}", file=sys.stderr)
        print("Nothing is left changed." if plan.changes else f"See {client.file}.", file=sys.stderr)
        return 1
    await anyio.to_thread.run_sync(skills.apply, changes)
    await anyio.to_thread.run_sync(prime, entry, os.environ)
    _report(client, plan, changes, left)
    print(f"checked: {_words(entry)} answers, with {tools} tools")
    if plan.changes:
        print(client.reload or f"Restart {client.title} to load the tools.")
    return 0


def disconnect(arguments: argparse.Namespace) -> int:
    """Disconnect one assistant, or all of this machine. Returns the highest exit code."""
    chosen = _chosen(arguments)
    if not arguments.all:
        return _disconnect(chosen[0], arguments)
    return max([_disconnect_if_possible(client, arguments) for client in chosen])


def _disconnect_if_possible(client: Client, arguments: argparse.Namespace) -> int:
    try:
        return _disconnect(client, arguments)
    except GatewayError as error:
        return _left_out(client, error)


def _disconnect(client: Client, arguments: argparse.Namespace) -> int:
    """Take our server and our skill out of a client."""
    plan = connecting.plan_disconnect(client)
    changes, left = skills.changes(client.skills, {}) if client.skills else ([], [])
    if arguments.dry_run:
        _preview(plan, changes, left)
        return 0
    _write(plan)
    skills.apply(changes)
    _report(client, plan, changes, left)
    return 0


def _write(plan: connecting.Plan) -> None:
    """The copy first: whatever happens, the old text is somewhere."""
    if not plan.changes:
        return
    if plan.backup is not None:
        files.keep(plan.file, plan.backup)
    files.replace(plan.file, was=plan.was, text=plan.text)
    if plan.backup is None:
        files.keep(plan.file, None)


def _take_back(plan: connecting.Plan) -> None:
    files.replace(plan.file, was=plan.text, text=plan.was)
    files.keep(plan.file, None)


def _words(entry: Mapping[str, Any]) -> str:
    return shlex.join([str(entry["command"]), *map(str, entry.get("args", ()))])


def _preview(plan: connecting.Plan, changes: Sequence[skills.Change], left: Sequence[Path]) -> None:
    if plan.changes:
        print(f"would {'remove' if plan.text is None else 'change' if plan.was is not None else 'make'} {plan.file}:")
        print(plan.diff())
        if plan.backup is not None:
            print(f"would keep what stands there now as {files.backup_of(plan.file)}")
    else:
        print(f"{plan.file} would stay as it is")
    for change in changes:
        print(f"would {'remove' if change.text is None else 'write'} {change.path}")
    for path in left:
        print(f"would leave {path} alone: it is not as LLM Gateway wrote it")


def _report(client: Client, plan: connecting.Plan, changes: Sequence[skills.Change], left: Sequence[Path]) -> None:
    if plan.entry is not None:
        print(f"{client.title}: {'connected' if plan.changes else 'was connected already'} ({plan.file})")
        if plan.backup is not None and plan.changes:
            print(f"what stood there before is kept as {files.backup_of(plan.file)}")
    else:
        print(f"{client.title}: {'disconnected' if plan.changes else 'was not connected'} ({plan.file})")
    for folder in sorted({change.path.parent for change in changes if change.path.name == "SKILL.md"}):
        print(f"skill: {folder}")
    for path in left:
        print(f"left alone, because it is not as LLM Gateway wrote it: {path}")
