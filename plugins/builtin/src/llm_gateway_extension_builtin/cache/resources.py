"""The resources: the tallies of a principal. Numbers, hashes and ids; no text of a prompt or reply."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from llm_gateway import CallContext, Gateway, NativeSessionId, Resource, Session, SessionId, Tally
from llm_gateway_extension_builtin.cache.counting import BREAK, HOUR, LAST, PREFIX, SESSION, hour_key, hour_of
from llm_gateway_extension_builtin.cache.views import (
    add_up,
    breaks_view,
    by_model,
    by_provider,
    cache_view,
    over_time,
    performance_view,
    stamp,
    turn_view,
)

_DAY = timedelta(hours=24)
_RECENT = 500  #: turns in which prefixes are looked for
_SHOWN = 10


async def _hours(gateway: Gateway, context: CallContext, span: timedelta) -> tuple[dict[str, str], list[Tally]]:
    now = datetime.now(timezone.utc)
    first = hour_key(now - span)
    found = await gateway.store.tallies(principal=context.principal, scope=HOUR, first=first, last=LAST)
    return {"since": stamp(hour_of(first)), "until": stamp(now)}, list(found)


async def _global(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    window, tallies = await _hours(gateway, context, _DAY)
    sums = add_up(tallies)
    prefixes = {"new": sums.get("prefixesNew", 0), "reused": sums.get("prefixesReused", 0)}
    return _json({**window, **cache_view(sums), "prefixes": prefixes, "providers": by_provider(tallies)})


async def _performance(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    window, tallies = await _hours(gateway, context, _DAY)
    names = sorted({tally.provider for tally in tallies})
    providers = {name: performance_view(add_up(t for t in tallies if t.provider == name)) for name in names}
    return _json({**window, **performance_view(add_up(tallies)), "providers": providers})


async def _session(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    session = await _found(gateway, variables["sessionId"], context)
    tallies = await gateway.store.tallies(principal=context.principal, scope=SESSION, first=session.id)
    newest = await gateway.store.list_records(principal=context.principal, session_id=session.id, limit=1)
    last = newest[0] if newest else None
    left_ms = None
    if last and last.ended_at and last.cache.ttl_s is not None:
        gone_s = (datetime.now(timezone.utc) - last.ended_at).total_seconds()
        left_ms = max(0, round((last.cache.ttl_s - gone_s) * 1000))
    return _json(
        {
            "sessionId": session.id,
            "provider": session.provider,
            **cache_view(add_up(tallies)),
            "models": by_model(tallies),
            "lastRequestAt": stamp(last.started_at) if last else None,
            "heldTokens": last.cache.held_tokens if last else None,
            "ttlRemainingMs": left_ms,
        }
    )


async def _prefix(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    tallies = await gateway.store.tallies(principal=context.principal, scope=PREFIX, first=variables["hash"])
    seen = {
        "firstSeen": stamp(min(tally.first_at for tally in tallies)) if tallies else None,
        "lastSeen": stamp(max(tally.last_at for tally in tallies)) if tallies else None,
    }
    return _json({"hash": variables["hash"], **cache_view(add_up(tallies)), **seen, "models": by_model(tallies)})


async def _history(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    if not variables["days"].isdecimal() or not 1 <= int(variables["days"]) <= 366:
        raise LookupError(f"days must be 1 to 366, not {variables['days']}")
    days = int(variables["days"])
    window, tallies = await _hours(gateway, context, timedelta(days=days))
    first = hour_key(datetime.now(timezone.utc) - timedelta(days=days))
    breaks = await gateway.store.tallies(principal=context.principal, scope=BREAK, first=first, last=LAST)
    recent = await gateway.store.list_records(principal=context.principal, limit=_RECENT)
    prefixes = []
    for digest in {record.prefix_sha256: record for record in recent if record.prefix_sha256}:
        found = await gateway.store.tallies(principal=context.principal, scope=PREFIX, first=digest or "")
        prefixes.append({"hash": digest, **cache_view(add_up(found))})
    return _json(
        {
            **window,
            **cache_view(add_up(tallies)),
            "stepHours": 1 if days == 1 else 24,
            "steps": over_time(tallies, 1 if days == 1 else 24),
            "models": by_model(tallies),
            "prefixes": sorted(prefixes, key=lambda one: -one["requests"])[:_SHOWN],
            "worstBreaks": breaks_view(breaks, _SHOWN),
        }
    )


async def _turns(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    session = await _found(gateway, variables["sessionId"], context)
    records = await gateway.store.list_records(principal=context.principal, session_id=session.id, limit=_RECENT)
    return _json(
        {"sessionId": session.id, "provider": session.provider, "turns": [turn_view(r) for r in records][::-1]}
    )


async def _found(gateway: Gateway, session_id: str, context: CallContext) -> Session:
    """A conversation of this caller, by the gateway's id or the CLI's own. Raises LookupError for an unknown one and for one of another principal."""
    found = await gateway.store.get_session(SessionId(session_id))
    if found is not None and found.principal == context.principal:
        return found
    for provider in gateway.providers:
        mine = await gateway.store.find_session(provider, NativeSessionId(session_id), context.principal)
        if mine is not None:
            return mine
    raise LookupError(f"there is no session {session_id}")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1)


def cache_resources() -> list[Resource]:
    """All of them."""
    state = "cache-state://"
    return [
        Resource(
            uri=f"{state}global",
            name="cache-global",
            description="Prompt caching over the last 24 hours: hits, tokens, savings, breaks; by provider.",
            read=_global,
        ),
        Resource(
            uri=f"{state}session/{{sessionId}}",
            name="cache-session",
            description="The same of one conversation, with what its cache holds and how long.",
            read=_session,
        ),
        Resource(
            uri=f"{state}prefix/{{hash}}",
            name="cache-prefix",
            description="The same of one stable prefix, by its SHA-256.",
            read=_prefix,
        ),
        Resource(
            uri=f"{state}history/{{days}}",
            name="cache-history",
            description="The same over so many days: in steps, by model, by prefix, and the worst breaks.",
            read=_history,
        ),
        Resource(
            uri=f"{state}turns/{{sessionId}}",
            name="cache-turns",
            description="The turns of one conversation: what each should have read, what it read, and why not.",
            read=_turns,
        ),
        Resource(
            uri="metrics://performance",
            name="performance",
            description="Runs of the last 24 hours: ends, durations, first events, retries; by provider.",
            read=_performance,
        ),
    ]
