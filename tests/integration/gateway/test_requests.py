"""What a caller asks and is answered."""

from __future__ import annotations

from typing import Any

import pytest

from llm_gateway.errors import InvalidRequest, UnknownMcpServer
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio


async def test_a_completed_request_answers_with_everything_that_is_known(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("grüß dich", correlationId="trace-1")
    assert told["status"] == "completed"
    assert told["text"] == "echo: grüß dich"
    assert told["provider"] == "echo"
    assert told["model"] == "echo-1"
    assert told["jobId"].startswith("job-")
    assert told["gatewaySessionId"].startswith("gw-")
    assert told["resumable"] is True
    assert told["usage"].keys() == {"inputTokens", "outputTokens", "cacheReadTokens", "cacheCreationTokens"}
    assert told["costUsd"] > 0
    assert told["costBasis"] == "reported"
    assert told["durationMs"] > 0
    assert told["exitCode"] == 0
    assert told["deduplicated"] is False
    assert told["approval"] == {"strategy": "legacy", "decision": "allow", "posture": "prompted"}
    assert told["mcpServers"] == {"requested": ["sqry"], "enabled": [], "missing": ["sqry"], "trackingOnly": False}
    assert told["emptyOutput"] is False
    assert told["truncated"] is False
    assert told["warnings"] == []
    assert told["correlationId"] == "trace-1"
    assert "error" not in told


async def test_lesson_88_the_native_session_id_is_in_the_answer_of_a_fresh_run(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask()
        page = await caller.result(told["jobId"], raw="stdout")
    assert f'"id": "{told["sessionId"]}"' in page["page"]["text"]


async def test_a_turn_leaves_one_record_with_its_own_numbers(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask("count me", correlationId="trace-2")
        [record] = await caller.gateway.store.list_records()
    assert (record.job_id, record.outcome, record.correlation_id) == (told["jobId"], "completed", "trace-2")
    assert record.usage.output_tokens == told["usage"]["outputTokens"]
    assert record.cost.usd == told["costUsd"]
    assert record.native_id == told["sessionId"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"maxTurns": 3}, "echo cannot hold maxTurns"),
        ({"maxBudgetUsd": 0.5}, "echo cannot hold maxBudgetUsd"),
        ({"effort": "high"}, "echo cannot hold effort"),
        ({"outputSchema": {"type": "object"}}, "echo cannot hold outputSchema"),
        ({"modle": "echo-1"}, "unknown parameter modle; did you mean model?"),
        ({"scenarios": "hang"}, "unknown parameter scenarios; did you mean scenario?"),
        ({"scenario": "explode"}, "scenario: "),
        ({"amount": "7"}, "amount: "),
        ({"amount": -1}, "amount: "),
        ({"timeoutMs": 0}, "timeoutMs: "),
        ({"timeoutMs": 24 * 3600 * 1000 + 1}, "timeoutMs: "),
        ({"idleTimeoutMs": 29_999}, "idleTimeoutMs: "),
        ({"posture": "root"}, "posture: "),
        ({"working_dir": "."}, "unknown parameter working_dir; did you mean workingDir?"),
        ({"createNewSession": True, "resumeLatest": True}, "exclude each other"),
        ({"approvalStrategy": "nobodys"}, "no policy is installed"),
        ({"correlationId": "two words"}, "correlationId: "),
        ({"correlationId": "c" * 129}, "correlationId: "),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_what_cannot_be_held_is_refused_before_anything_runs(
    home: Home, arguments: dict[str, Any], words: str
) -> None:
    async with home.open() as caller:
        error = await refused(InvalidRequest, caller.ask(**arguments))
        assert await caller.jobs() == []
    assert words in error.message
    assert home.folders() == []


async def test_an_unknown_operation_is_a_lookup_error(home: Home) -> None:
    async with home.open() as caller:
        with pytest.raises(LookupError):
            await caller.call("nobody_request", prompt="hello")


async def test_mcp_servers_that_were_named_must_exist_and_the_default_may_be_missing(home: Home) -> None:
    home.write_config('[mcp_servers.here]\ncommand = "sh"\n[mcp_servers.away]\ncommand = "no-such-program-anywhere"\n')
    async with home.open() as caller:
        await refused(UnknownMcpServer, caller.ask(mcpServers=["away"]))
        told = await caller.ask(mcpServers=["here"])
        events = (await caller.result(told["jobId"], raw="stdout"))["page"]["text"]
    assert told["mcpServers"] == {"requested": ["here"], "enabled": ["here"], "missing": [], "trackingOnly": False}
    assert '"mcpServers": ["here"]' in events
    assert list(home.folder(told["jobId"]).rglob("mcp.json")) == []


@pytest.mark.parametrize("posture", ["read_only", "plan", "prompted", "accept_edits", "workspace_write", "bypass"])
async def test_the_posture_that_was_asked_for_reaches_the_program(home: Home, posture: str) -> None:
    async with home.open() as caller:
        told = await caller.ask(posture=posture)
        events = (await caller.result(told["jobId"], raw="stdout"))["page"]["text"]
    assert told["approval"]["posture"] == posture
    assert f'"posture": "{posture}"' in events


async def test_a_default_posture_of_the_settings_is_used_and_no_default_grants_more(home: Home) -> None:
    home.set(providers__echo__default_posture="read_only")
    async with home.open() as caller:
        assert (await caller.ask())["approval"]["posture"] == "read_only"
        assert (await caller.ask(posture="plan"))["approval"]["posture"] == "plan"
