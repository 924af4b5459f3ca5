"""What a gateway shows, and that nothing it does holds up its event loop."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
import tomli

from llm_gateway.model.operation import CallContext
from llm_gateway.opening import open_gateway
from llm_gateway.settings import SettingsError
from llm_gateway_transport_mcp.tools import listing_bytes
from tests.integration.gateway.world import Home

pytestmark = pytest.mark.anyio

ACCEPTED_LAG_S = 0.25
ROOT = Path(__file__).parents[3]
#: What the built-in distributions may bring in from outside. All of it comes with the protocol's own kit or is pure Python.
CHOSEN = {
    "psutil",  # with watchfiles: only on macOS
    "watchfiles",
    "genai-prices",
    "anyio",
    "mcp",
    "pluggy",
    "pydantic",
    "tomli",
    "tomlkit",
    "typing-extensions",
    "rich",
}


async def test_lesson_60_waiting_and_async_calls_have_one_schema(home: Home) -> None:
    async with home.open() as caller:
        operations = caller.gateway.operations
        pairs = [(name, f"{name}_async") for name in operations if name.endswith("_request")]
        assert ("echo_request", "echo_request_async") in pairs
        for waiting, background in pairs:
            assert operations[waiting].params is operations[background].params
            assert operations[waiting].hidden == operations[background].hidden


async def test_lesson_61_everything_that_is_listed_can_be_read(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask()
        values = {"jobId": told["jobId"], "sessionId": told["gatewaySessionId"], "hash": "0" * 64, "provider": "echo"}
        values |= {"days": "7", "by": "model"}
        assert caller.gateway.resources
        for resource in caller.gateway.resources:
            uri = re.sub(r"\{(\w+)\}", lambda found: values[found[1]], resource.uri)
            kind, text = await caller.gateway.read(uri, CallContext())
            assert kind == resource.mime_type
            assert json.loads(text) if kind == "application/json" else text.strip()
        with pytest.raises(LookupError):
            await caller.gateway.read("jobs://a/b/c", CallContext())


async def test_lesson_70_the_tools_of_one_provider_cost_little(home: Home) -> None:
    home.env["LLM_GATEWAY_PLUGINS"] = "echo,operations,git"
    async with home.open() as caller:
        own = [operation for operation in caller.gateway.operations.values() if operation.name.startswith("echo")]
        assert len(own) == 2
        assert listing_bytes(own, for_models=True) < 7_000
        others = [operation for operation in caller.gateway.operations.values() if operation not in own]
        assert len(others) == 16
        assert listing_bytes(others, for_models=True) < 8_500


async def test_lesson_70_all_tools_together_cost_little(home: Home) -> None:
    async with home.open() as caller:
        operations = caller.gateway.operations.values()
        providers = caller.gateway.providers
    assert providers.keys() == {"claude", "codex", "echo", "gemini", "grok", "mistral"}
    assert len(operations) >= 34
    assert listing_bytes(operations) < 70_000
    assert listing_bytes(operations, for_models=True) < 52_000
    for provider in providers:
        own = [operation for operation in operations if operation.name.startswith(f"{provider}_request")]
        assert len(own) == 2
        assert listing_bytes(own) < 8_000, provider


async def test_no_pattern_counts_characters_of_every_alphabet(home: Home) -> None:
    r"""`\w{1,128}` alone took 12 MB and 40 ms of every start: each of the 128 knows all letters there are. A length says the same."""
    counted = re.compile(r"(\\[wd]|\[[^\]]*\\[wd][^\]]*\])\{")
    async with home.open() as caller:
        schemas = {name: json.dumps(one.params.model_json_schema()) for name, one in caller.gateway.operations.items()}
    assert "pattern" in schemas["echo_request"]
    assert counted.search(r"^[\w.:-]{1,128}$")
    assert not [
        (name, pattern)
        for name, schema in schemas.items()
        for pattern in map(json.loads, re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', schema))
        if counted.search(pattern)
    ]


def test_lesson_67_only_chosen_packages_are_needed() -> None:
    needed = set()
    everything = {ROOT / "pyproject.toml", *ROOT.glob("*/pyproject.toml"), *ROOT.glob("*/*/pyproject.toml")}
    for path in everything - {ROOT / "plugins/testing/pyproject.toml"}:  # nobody's gateway needs that one
        for dependency in tomli.loads(path.read_text())["project"].get("dependencies", []):
            needed.add(re.split(r"[^A-Za-z0-9_-]", dependency, maxsplit=1)[0])
    assert {name for name in needed if not name.startswith("llm-gateway")} <= CHOSEN


@pytest.mark.parametrize(
    "broken",
    ["[limits\nqueued = 1\n", "[limits]\nruning = 1\n", '[limits]\nqueued = "many"\n', "[providers.nobody]\n"],
    ids=["broken", "unknown key", "bad value", "unknown provider"],
)
async def test_lesson_59_settings_that_cannot_be_used_stop_the_start_and_name_the_line(home: Home, broken: str) -> None:
    home.write_config(broken)
    with pytest.raises(SettingsError) as caught:
        async with open_gateway(home.env):
            pytest.fail("it was opened")
    assert "config.toml, line " in str(caught.value)


async def test_lesson_57_two_names_for_one_setting_are_a_conflict(home: Home) -> None:
    home.env |= {"LLM_GATEWAY_DEDUP_WINDOW_MS": "1000", "LLM_GATEWAY_DEDUP_WINDOW_S": "2"}
    with pytest.raises(SettingsError, match="LLM_GATEWAY_DEDUP_WINDOW_MS"):
        async with open_gateway(home.env):
            pytest.fail("it was opened")


async def test_lesson_57_one_selector_says_where_the_store_is(home: Home) -> None:
    home.set(store__url=f"sqlite:///{home.path}/elsewhere.db")
    async with home.open() as caller:
        await caller.ask()
    assert (home.path / "elsewhere.db").exists()
    assert not (home.path / "gateway.db").exists()


def waited_for_a_core() -> float:
    """Seconds that the threads of this process were ready and had no core: what a busy machine costs them."""
    waited = 0
    for thread in Path("/proc/self/task").glob("*"):
        with suppress(OSError):
            waited += int((thread / "schedstat").read_text().split()[1])
    return waited / 1e9


@asynccontextmanager
async def lag() -> AsyncIterator[list[float]]:
    """Measure how late the event loop is for a task that wants to run all the time, on a machine that has time for it."""
    late = [0.0]

    async def watch() -> None:
        while True:
            before, begun = waited_for_a_core(), anyio.current_time()
            await anyio.lowlevel.checkpoint()
            span = anyio.current_time() - begun
            late.append(span - (waited_for_a_core() - before) if span > ACCEPTED_LAG_S else span)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        yield late
        tasks.cancel_scope.cancel()


async def test_lesson_39_no_operation_holds_up_the_event_loop(home: Home, repository: Path) -> None:
    async with home.open() as caller:
        await caller.ask("warm up")
        slowest = {}

        async def measured(name: str, call: object) -> dict[str, object]:
            async with lag() as late:
                told = await call  # type: ignore[misc]
            slowest[name] = max(late)
            return dict(told)

        told = await measured("request", caller.ask("hello", scenario="steps", amount=3000))
        await measured("large prompt", caller.ask("x" * 9_000_000))
        flood = await caller.start("flood", scenario="flood", amount=50_000_000)
        await measured("status", caller.call("llm_job_status", jobId=flood))
        await measured("wait", caller.wait(flood))
        await measured("result", caller.result(flood))
        await measured("raw", caller.result(flood, raw="stdout", offset=10_000_000, maxChars=1_000_000))
        await measured("list", caller.call("llm_job_list"))
        await measured("health", caller.call("llm_process_health"))
        await measured("sessions", caller.call("session_list"))
        await measured("session", caller.call("session_get", sessionId=str(told["gatewaySessionId"])))
        await measured("versions", caller.call("cli_versions"))
        await measured("models", caller.call("list_models"))
        hanging = await caller.start("hang", scenario="hang")
        await measured("cancel", caller.cancel(hanging))
        assert told["status"] == "completed"
    assert {name: seconds for name, seconds in slowest.items() if seconds > ACCEPTED_LAG_S} == {}
