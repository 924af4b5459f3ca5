"""What the gateway knows of prompt caches, with the echo program's imitation of one."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.model.operation import CallContext
from tests.integration.gateway.world import Caller, Home

pytestmark = pytest.mark.anyio

LONG = "A rule that everybody follows. " * 400


async def read(caller: Caller, uri: str) -> dict[str, Any]:
    kind, text = await caller.gateway.read(uri, CallContext(principal=caller.principal))
    assert kind == "application/json"
    found: dict[str, Any] = json.loads(text)
    return found


async def talk(caller: Caller, turns: int = 3) -> list[dict[str, Any]]:
    """A conversation whose first turn has a large prefix."""
    parts = {"context": LONG, "task": "begin"}
    told = [await caller.ask(None, promptParts=parts)]  # type: ignore[arg-type]  # promptParts stands instead
    for number in range(1, turns):
        told.append(await caller.ask(f"turn {number}", sessionId=told[0]["gatewaySessionId"]))
    return told


def sums(told: list[dict[str, Any]], name: str) -> int:
    return sum(answer["usage"][name] for answer in told)


def codes(answer: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in answer["warnings"]]


async def test_every_number_is_the_sum_of_the_answers(home: Home) -> None:
    async with home.open() as caller:
        told = await talk(caller)
        for uri in ("cache-state://global", f"cache-state://session/{told[0]['gatewaySessionId']}"):
            state = await read(caller, uri)
            assert (state["requests"], state["hits"], state["hitRate"]) == (3, 2, 0.6667)
            assert state["tokensRead"] == sums(told, "cacheReadTokens")
            assert state["tokensWritten"] == sums(told, "cacheCreationTokens")
            assert state["inputTokens"] == sums(told, "inputTokens")
            assert state["outputTokens"] == sums(told, "outputTokens")
            assert state["costUsd"] == pytest.approx(sum(answer["costUsd"] for answer in told), abs=1e-8)
            by_hand = (state["tokensRead"] * (1.00 - 0.10) - state["tokensWritten"] * (1.25 - 1.00)) / 1e6
            assert state["estimatedSavingsUsd"] == pytest.approx(by_hand, abs=1e-8)
            assert state["cacheBreaks"] == 0


async def test_a_conversation_tells_what_its_cache_holds_and_how_long(home: Home) -> None:
    async with home.open() as caller:
        told = await talk(caller, turns=2)
        by_ours = await read(caller, f"cache-state://session/{told[0]['gatewaySessionId']}")
        by_native = await read(caller, f"cache-state://session/{told[0]['sessionId']}")
    last = told[-1]["usage"]
    assert by_ours["heldTokens"] == last["cacheReadTokens"] + last["cacheCreationTokens"]
    assert 240_000 < by_ours["ttlRemainingMs"] <= 300_000
    assert by_native["sessionId"] == by_ours["sessionId"]


async def test_a_prefix_is_counted_over_conversations(home: Home) -> None:
    async with home.open() as caller:
        for task in ("one", "two"):
            await caller.ask(None, promptParts={"context": LONG, "task": task}, createNewSession=True)  # type: ignore[arg-type]
        record = (await caller.gateway.store.list_records())[0]
        state = await read(caller, f"cache-state://prefix/{record.prefix_sha256}")
        everything = await read(caller, "cache-state://global")
    assert record.prefix_tokens == len(LONG) // 4
    assert state["requests"] == 2
    assert [(model["provider"], model["model"]) for model in state["models"]] == [("echo", "echo-1")]
    assert state["firstSeen"] < state["lastSeen"]
    assert everything["prefixes"] == {"new": 1, "reused": 1}


async def test_lesson_76_a_conversation_that_is_no_longer_in_the_cache_is_told_and_counted(home: Home) -> None:
    async with home.open() as caller:
        told = await talk(caller, turns=2)
        assert codes(told[1]) == []
        expected = told[1]["usage"]["cacheReadTokens"] + told[1]["usage"]["cacheCreationTokens"]
        _forget(home, told[0]["sessionId"])
        broken = await caller.ask("go on", sessionId=told[0]["sessionId"])
        (warning,) = broken["warnings"]
        assert (warning["code"], warning["cause"]) == ("cache_break", "unknown")
        assert (warning["expectedTokens"], warning["actualTokens"]) == (expected, 0)
        state = await read(caller, "cache-state://global")
        assert (state["cacheBreaks"], state["cacheBreakCauses"]) == (1, {"unknown": 1})
        by_hand = expected * (1.25 - 0.10) / 1e6
        assert state["wastedUsd"] == pytest.approx(by_hand, abs=1e-8)
        history = await read(caller, "cache-state://history/1")
        assert [one["jobId"] for one in history["worstBreaks"]] == [broken["jobId"]]
        turns = (await read(caller, f"cache-state://turns/{told[0]['gatewaySessionId']}"))["turns"]
        assert [turn["cacheBreak"] for turn in turns] == [None, None, "unknown"]


async def test_nobody_reads_what_another_principal_did(home: Home) -> None:
    async with home.open() as caller:
        told = await talk(caller, turns=2)
        prefix = (await caller.gateway.store.list_records())[-1].prefix_sha256
        bob = caller.other("bob")
        assert (await read(bob, "cache-state://global"))["requests"] == 0
        assert (await read(bob, "metrics://performance"))["requests"] == 0
        assert (await read(bob, f"cache-state://prefix/{prefix}"))["requests"] == 0
        for uri in ("session", "turns"):
            with pytest.raises(LookupError):
                await read(bob, f"cache-state://{uri}/{told[0]['gatewaySessionId']}")


async def test_how_runs_went_is_counted_whatever_their_end(home: Home) -> None:
    async with home.open() as caller:
        await caller.ask("fine")
        await caller.ask("bad", scenario="crash", createNewSession=True)
        hanging = await caller.start("hang", scenario="hang", createNewSession=True)
        await caller.begun(hanging)
        await caller.cancel(hanging)
        found = await read(caller, "metrics://performance")
        outcomes = sorted(record.outcome for record in await caller.gateway.store.list_records())
    assert (found["requests"], found["completed"], found["notCompleted"]) == (3, 1, 2)
    assert found["providers"]["echo"]["requests"] == 3
    assert found["p50DurationMs"] <= found["p95DurationMs"]
    assert outcomes == ["canceled", "completed", "failed"]


async def test_lesson_21_every_record_comes_to_its_end_also_those_of_deferred_and_deduplicated_calls(
    home: Home,
) -> None:
    home.set(sync_deadline_s="0.05", limits__running=1)
    async with home.open() as caller:
        deferred = await caller.ask("slow", scenario="hang")
        twin = await caller.ask("slow", scenario="hang")
        waiting = await caller.start("queued", createNewSession=True)
        assert (twin["deduplicated"], twin["jobId"]) == (True, deferred["jobId"])
        begun = home.rows("SELECT job_id, outcome FROM turns ORDER BY job_id")
        assert begun == sorted([(deferred["jobId"], "started"), (waiting, "started")])
        await caller.cancel(waiting)
        await caller.cancel(deferred["jobId"])
        await caller.wait(deferred["jobId"], waiting)
    assert home.rows("SELECT count(*) FROM turns WHERE ended_at IS NULL") == [(0,)]
    assert {row[0] for row in home.rows("SELECT outcome FROM turns")} == {"canceled"}


async def test_lesson_21_a_turn_whose_gateway_was_killed_is_completed_and_counted_once_by_the_next(home: Home) -> None:
    async with home.peer() as peer:
        job = await peer.start("go on without me", scenario="silent", delayMs=700)
        await peer.kill()
    assert home.rows("SELECT outcome FROM turns") == [("started",)]
    async with home.open() as caller:
        await caller.wait(job)
        state = await read(caller, "cache-state://global")
    assert home.rows("SELECT outcome, ended_at IS NULL FROM turns") == [("completed", 0)]
    assert state["requests"] == 1


async def test_numbers_are_not_words(home: Home) -> None:
    secret = "the-not_serializable-word"
    async with home.open() as caller:
        told = await caller.ask(None, promptParts={"context": LONG + secret, "task": secret})  # type: ignore[arg-type]
        record = (await caller.gateway.store.list_records())[0]
        values = {"sessionId": told["gatewaySessionId"], "hash": record.prefix_sha256, "days": "30"}
        for resource in caller.gateway.resources:
            if resource.uri.startswith(("cache-state:", "metrics:", "prices:")):
                uri = resource.uri
                for name, value in values.items():
                    uri = uri.replace(f"{{{name}}}", str(value))
                assert secret not in json.dumps(await read(caller, uri))


def _forget(home: Home, native_id: str) -> None:
    """Let the imitated cache be cold: its time to live is over for the program, but not for the gateway."""
    file = Path(home.env["LLM_GATEWAY_ECHO_HOME"]) / "sessions" / f"{native_id}.json"
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 400))


async def test_the_operator_says_what_is_worth_a_warning(home: Home) -> None:
    home.write_config("[cache_awareness]\nwarn_on_ttl_expiry = false\nmin_prefix_tokens = 1000000\n")
    async with home.open() as caller:
        told = await talk(caller, turns=2)
        _forget(home, told[0]["sessionId"])
        broken = await caller.ask("go on", sessionId=told[0]["sessionId"])
        assert codes(broken) == []
        assert (await read(caller, "cache-state://global"))["cacheBreaks"] == 0


async def test_a_conversation_that_is_continued_late_is_told_before_it_costs(home: Home) -> None:
    async with home.open() as caller:
        told = await talk(caller, turns=1)
        _age_records(home, seconds=280)
        late = await caller.ask("go on", sessionId=told[0]["sessionId"])
        (warning,) = late["warnings"]
        assert warning["code"] == "cache_ttl_expiring_soon"
        assert 10_000 < warning["ttlRemainingMs"] <= 20_000
        _age_records(home, seconds=400)
        _forget(home, told[0]["sessionId"])
        gone = await caller.ask("go on", sessionId=told[0]["sessionId"])
        assert [(one["code"], one.get("cause")) for one in gone["warnings"]] == [
            ("cache_ttl_expiring_soon", None),
            ("cache_break", "ttl_passed"),
        ]


def _age_records(home: Home, seconds: int) -> None:
    """Let what is recorded have happened earlier."""
    with closing(sqlite3.connect(home.path / "gateway.db")) as database, database:
        for seq, doc in database.execute("SELECT seq, doc FROM records").fetchall():
            told = json.loads(doc)
            for name in ("started_at", "ended_at"):
                moment = datetime.fromisoformat(told[name].replace("Z", "+00:00")) - timedelta(seconds=seconds)
                told[name] = moment.isoformat()
            database.execute("UPDATE records SET doc = ? WHERE seq = ?", (json.dumps(told).encode(), seq))
