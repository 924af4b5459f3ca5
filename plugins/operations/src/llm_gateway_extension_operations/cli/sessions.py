"""`llm-gateway sessions`: list, show, use, delete."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from anyio import to_thread

from llm_gateway import (
    Exit,
    Gateway,
    UsageError,
    age_text,
    call_operation,
    cost_text,
    for_stream,
    local_time,
    say,
    say_json,
    session_id_of,
    short_ids,
    table,
    title_of,
    with_titles,
)

_NONE = "none"
_ID_CHARS = len("gw-") + 8


async def work(gateway: Gateway, options: argparse.Namespace) -> int:
    """Run the subcommand."""
    if options.verb == "use" and options.session == _NONE and not options.provider:
        raise UsageError("sessions use none: pass --provider NAME; its requests then start new conversations")
    if options.verb == "delete" and bool(options.session) == options.all:
        raise UsageError("sessions delete: pass session ids or --all, not both")
    typed = getattr(options, "session", None)
    if isinstance(typed, list):
        options.session = [await session_id_of(gateway, one) for one in typed]
    elif typed not in (None, _NONE):
        options.session = await session_id_of(gateway, typed)
    return await _VERBS[options.verb](gateway, options)


async def _list(gateway: Gateway, options: argparse.Namespace) -> int:
    found = await call_operation(gateway, "session_list", _given(provider=options.provider, limit=options.limit))
    for session in found["sessions"]:
        newest = await gateway.store.list_jobs(session_id=session["gatewaySessionId"], limit=1)
        title = await to_thread.run_sync(title_of, gateway.settings.home, newest[0].id) if newest else None
        if title is not None:
            session["title"] = title
    if options.json:
        say_json(found)
    elif not found["sessions"]:
        say("no sessions")
    else:
        _table(found["sessions"], wide=options.wide)
    return Exit.OK


def _table(sessions: Sequence[Mapping[str, Any]], *, wide: bool) -> None:
    ids = [session["gatewaySessionId"] for session in sessions]
    if not wide and sys.stdout.isatty():
        ids = short_ids(ids, _ID_CHARS)
    columns: list[tuple[str, Sequence[Any]]] = [
        ("SESSION", ids),
        ("PROVIDER", [session["provider"] for session in sessions]),
        ("ACTIVE", ["active" if session["active"] else None for session in sessions]),
        ("TURNS", [session["turns"] for session in sessions]),
        ("LAST USED", [age_text(session["lastUsedAt"]) for session in sessions]),
    ]
    if wide:
        columns += [
            ("AT", [local_time(session["lastUsedAt"]) for session in sessions]),
            ("DIRECTORY", [session["workingDir"] for session in sessions]),
        ]
    columns.append(("TITLE", [session.get("description") or session.get("title") for session in sessions]))
    head = [name for name, _ in columns]
    table(head, list(zip(*(cells for _, cells in columns), strict=True)), cut=None if wide else len(head) - 1)


async def _show(gateway: Gateway, options: argparse.Namespace) -> int:
    found = await call_operation(gateway, "session_get", {"sessionId": options.session})
    found["turns"] = await to_thread.run_sync(with_titles, gateway.settings.home, found["turns"])
    if options.json:
        say_json(found)
        return Exit.OK
    for name, value in {**found["session"], **found.get("cacheState", {})}.items():
        say(for_stream(f"{name:16} {value}", sys.stdout))
    head = ("TURN", "STATUS", "CREATED", "SECONDS", "COST", "TITLE")
    rows = [
        (
            turn["id"],
            turn["status"],
            local_time(turn["createdAt"]),
            f"{turn['durationMs'] / 1000:.1f}" if "durationMs" in turn else None,
            cost_text(turn.get("costUsd")),
            turn.get("title"),
        )
        for turn in found["turns"]
    ]
    table(head, rows, state_column=1, cut=len(head) - 1)
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
