"""`llm-gateway sessions`: list, show, use, delete."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from llm_gateway import Exit, Gateway, UsageError, call_operation, for_stream, say, say_json, table

_NONE = "none"


async def work(gateway: Gateway, options: argparse.Namespace) -> int:
    """Run the subcommand."""
    if options.verb == "use" and options.session == _NONE and not options.provider:
        raise UsageError("sessions use none: pass --provider NAME; its requests then start new conversations")
    if options.verb == "delete" and bool(options.session) == options.all:
        raise UsageError("sessions delete: pass session ids or --all, not both")
    return await _VERBS[options.verb](gateway, options)


async def _list(gateway: Gateway, options: argparse.Namespace) -> int:
    found = await call_operation(gateway, "session_list", _given(provider=options.provider, limit=options.limit))
    if options.json:
        say_json(found)
        return Exit.OK
    if not found["sessions"]:
        say("no sessions")
    head = ("SESSION", "PROVIDER", "ACTIVE", "TURNS", "LAST USED", "DESCRIPTION", "DIRECTORY")
    rows = [
        (
            session["gatewaySessionId"],
            session["provider"],
            "active" if session["active"] else None,
            session["turns"],
            session["lastUsedAt"][:19].replace("T", " "),
            session.get("description"),
            session["workingDir"],
        )
        for session in found["sessions"]
    ]
    table(head, rows)
    return Exit.OK


async def _show(gateway: Gateway, options: argparse.Namespace) -> int:
    found = await call_operation(gateway, "session_get", {"sessionId": options.session})
    if options.json:
        say_json(found)
        return Exit.OK
    for name, value in {**found["session"], **found.get("cacheState", {})}.items():
        say(for_stream(f"{name:16} {value}", sys.stdout))
    head = ("TURN", "STATUS", "CREATED", "SECONDS")
    rows = [
        (
            turn["id"],
            turn["status"],
            turn["createdAt"][:19].replace("T", " "),
            f"{turn['durationMs'] / 1000:.1f}" if "durationMs" in turn else None,
        )
        for turn in found["turns"]
    ]
    table(head, rows, state_column=1)
    return Exit.OK


async def _use(gateway: Gateway, options: argparse.Namespace) -> int:
    wanted = None if options.session == _NONE else options.session
    provider = options.provider
    if wanted is not None and provider is None:
        provider = (await call_operation(gateway, "session_get", {"sessionId": wanted}))["session"]["provider"]
    directory = options.dir or "."  # without it, the operation would use the session's directory
    arguments = {"provider": provider, "sessionId": wanted, "workingDir": directory}
    found = await call_operation(gateway, "session_set_active", arguments)
    if options.json:
        say_json(found)
    elif wanted is None:
        say(f"requests to {provider} in {found['workingDir']} start new conversations")
    else:
        say(f"requests to {provider} in {found['workingDir']} continue {found['session']['gatewaySessionId']}")
    return Exit.OK


async def _delete(gateway: Gateway, options: argparse.Namespace) -> int:
    result: dict[str, list[str]] = {"deleted": [], "busy": []}
    if options.all:
        result = await call_operation(gateway, "session_clear_all", _given(provider=options.provider))
    else:
        for session in dict.fromkeys(options.session):
            answer = await call_operation(gateway, "session_delete", {"sessionId": session})
            result["deleted"] += answer["deleted"]
    if options.json:
        say_json(result)
    else:
        for session in result["deleted"]:
            say(f"{session} deleted")
        for session in result["busy"]:
            say(f"{session} not deleted: a turn is running")
    return Exit.UNFINISHED if result["busy"] else Exit.OK


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


_VERBS: dict[str, Callable[[Gateway, argparse.Namespace], Awaitable[int]]] = {
    "list": _list,
    "show": _show,
    "use": _use,
    "delete": _delete,
}
