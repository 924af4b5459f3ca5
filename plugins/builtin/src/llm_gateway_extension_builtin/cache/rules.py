"""What a turn should have read from the cache, whether it did, and why not. Pure.

A turn that continues a conversation should read what its provider held after the turn before (`CacheAccount.held_tokens`); a
new conversation with a known prefix should read that prefix, if it was marked for the cache or has been read before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from llm_gateway import CacheAccount, Record, Request

#: The name under which this plugin keeps its facts with a record.
KEPT = "cache"
#: Services that do not say how long they keep a prompt have let go of it by then.
_AT_MOST_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What should be read, and the turn that says so."""

    tokens: int
    before: Record
    allowance: int  #: as much may be missing


def facts_of(record: Record, request: Request | None, program: str | None) -> dict[str, Any]:
    """What else decides whether a cache is hit: digests, never text. `program`: what identifies its build."""
    if request is None:
        return {}
    servers = sorted(server.name for server in request.mcp_servers)
    tools = [record.posture.value, sorted(request.allowed_tools), sorted(request.disallowed_tools), servers]
    options = request.options.model_dump(mode="json") if hasattr(request.options, "model_dump") else None
    return {
        "tools": _digest(tools),
        "options": _digest([options, request.add_dirs, request.working_dir]),
        "program": _digest(program) if program else None,
        "marked": bool(request.prompt.cache_control),
    }


def judge(record: Record, earlier: Sequence[Record], facts: dict[str, Any], least: int) -> CacheAccount:
    """The record's account, completed with what should have been read and, if it was not, the likely cause."""
    actual = actually_read(record)
    found = expect(record, earlier, facts, least)
    if found is None or actual is None or record.outcome != "completed":
        return record.cache
    broken = found.tokens - actual > found.allowance
    return replace(
        record.cache, expected_tokens=found.tokens, cause=cause(record, found.before, facts) if broken else None
    )


def expect(record: Record, earlier: Sequence[Record], facts: dict[str, Any], least: int) -> Expectation | None:
    """What should be read; None: nothing that is worth a look."""
    usage = record.usage
    whole = sum(n or 0 for n in (usage.input_tokens, usage.cache_read_tokens, usage.cache_creation_tokens))
    if record.resumed:
        before = next((one for one in earlier if one.session_id == record.session_id), None)
        held = before.cache.held_tokens if before else None
        tokens = held if held is not None else min((actually_read(before) if before else 0) or 0, whole)
        # If the content of the cache is unknown, there is only one kind of break: it was read before, and now not at all.
        allowance = max(least, tokens // 10) if held is not None else tokens - 1
    else:
        # A new conversation after a longer time expects nothing.
        alike = [
            one
            for one in earlier
            if one.prefix_sha256 == record.prefix_sha256 and not one.resumed and not _gone(one, record)
        ]
        before = alike[0] if alike and record.prefix_sha256 else None
        tokens = max((_of_prefix(one, facts) for one in alike), default=0)
        allowance = max(least, tokens // 10) if usage.cache_creation_tokens else max(least, tokens // 2)
    return (
        Expectation(tokens=tokens, before=before, allowance=allowance) if before and tokens >= max(least, 1) else None
    )


def actually_read(record: Record) -> int | None:
    """What the first request of the turn read, at most: later ones read at least as much."""
    read = record.usage.cache_read_tokens
    return None if read is None else read // (record.run.requests or 1)


def cause(record: Record, before: Record, facts: dict[str, Any]) -> str:
    """The likeliest reason, most certain first."""
    known = before.kept.get(KEPT, {})
    if _gone(before, record):
        return "ttl_passed"
    if before.model and record.model and before.model != record.model:
        return "model_changed"
    if _differ(known, facts, "tools"):
        return "tools_changed"
    versions = before.run.cli_version, record.run.cli_version
    if versions[0] != versions[1] if all(versions) else _differ(known, facts, "program"):
        return "cli_version_changed"
    return "prefix_changed" if _differ(known, facts, "options") else "unknown"


def remaining_s(last: Record, now: Record) -> float | None:
    """The remaining time to live of a conversation's cache when a turn begins; negative: the time since it expired."""
    if last.cache.ttl_s is None:
        return None
    return last.cache.ttl_s - (now.started_at - (last.ended_at or last.started_at)).total_seconds()


def _of_prefix(other: Record, facts: dict[str, Any]) -> int:
    """What of a repeated prefix should be there, going by one earlier conversation that began with it."""
    read = actually_read(other) or 0
    again = (
        min(read, other.prefix_tokens) if read >= other.prefix_tokens // 2 else 0
    )  # it was read before: so it can be
    if not (facts.get("marked") and other.kept.get(KEPT, {}).get("marked")):
        return 0 if other.usage.cache_creation_tokens else again  # a provider that reports cache writes needs marks
    task = (other.prompt_bytes - other.prefix_bytes) // 4
    whole = (other.cache.held_tokens or 0) - task if other.run.requests == 1 else 0
    return max(other.prefix_tokens, whole)


def _gone(before: Record, now: Record) -> bool:
    idle_s = (now.started_at - (before.ended_at or before.started_at)).total_seconds()
    return idle_s > (before.cache.ttl_s or _AT_MOST_S)


def _differ(before: dict[str, Any], now: dict[str, Any], name: str) -> bool:
    return before.get(name) is not None and now.get(name) is not None and before[name] != now[name]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()
