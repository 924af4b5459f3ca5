"""A word that must not be found, looked for wherever the gateway writes."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path

import pytest

from llm_gateway.model.operation import CallContext
from tests.integration.gateway.world import Caller, Home

pytestmark = pytest.mark.anyio

IN_ENVIRONMENT = "canary-of-the-environment-4711"
IN_PROMPT = "canary-of-the-prompt-0815"


def holding(home: Home, word: str) -> list[str]:
    """Files of the home that hold a word, database and its journals included."""
    files = [path for path in home.path.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(home.path)) for path in files if word.encode() in path.read_bytes())


async def resources(caller: Caller, told: dict[str, str]) -> str:
    """Everything that the cache's resources say."""
    record = (await caller.gateway.store.list_records())[0]
    values = {"{sessionId}": told["gatewaySessionId"], "{hash}": str(record.prefix_sha256), "{days}": "30"}
    said = []
    for resource in caller.gateway.resources:
        if not resource.uri.startswith(("jobs:", "job:")):
            uri = resource.uri
            for name, value in values.items():
                uri = uri.replace(name, value)
            if "{" not in uri:
                said.append((await caller.gateway.read(uri, CallContext()))[1])
    assert len(said) > 5
    return "\n".join(said)


async def test_lesson_82_what_stands_in_the_environment_is_in_no_file(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    home.env["MY_SERVICE_TOKEN"] = IN_ENVIRONMENT
    home.write_config(
        f'[providers.echo]\nenv_pass = ["MY_SERVICE_TOKEN"]\nenv = {{ OTHER = "{IN_ENVIRONMENT}-2" }}\n[records]\ncontent = "full"\n'
    )
    async with home.open() as caller:
        told = await caller.ask("begin")
        await caller.ask("fail", scenario="crash", sessionId=told["gatewaySessionId"])
        hanging = await caller.start("hang", scenario="hang", createNewSession=True)
        await caller.said(hanging)
        assert holding(home, IN_ENVIRONMENT) == ["config.toml"], "while it runs; the operator's own file has his words"
        await caller.cancel(hanging)
        assert IN_ENVIRONMENT not in await resources(caller, told)
    assert holding(home, IN_ENVIRONMENT) == ["config.toml"]
    assert IN_ENVIRONMENT not in caplog.text


@pytest.mark.parametrize("content", ["none", "full"])
async def test_lesson_82_what_the_prompt_says_is_in_no_record_verdict_log_or_resource(
    home: Home, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    caplog.set_level(logging.DEBUG)
    home.env["MY_SERVICE_TOKEN"] = (
        IN_PROMPT  # a known value: with `full` the words are kept, and this is not among them
    )
    home.write_config(f'[records]\ncontent = "{content}"\n')
    parts = {"context": f"The token is {IN_PROMPT}.", "task": f"Say {IN_PROMPT} and sk-ant-{'a1' * 20}, please."}
    async with home.open() as caller:
        told = await caller.ask(None, promptParts=parts)  # type: ignore[arg-type]  # promptParts stands instead
        assert IN_PROMPT in told["text"], "the caller has the whole answer"
        said = await resources(caller, told)
        rows = json.dumps([*home.rows("SELECT * FROM turns"), *home.rows("SELECT * FROM verdicts")], default=str)
        records = await caller.gateway.store.list_records()
    for words in (said, rows, str(records), caplog.text):
        assert IN_PROMPT not in words
        assert "sk-ant-" not in words
    assert [path for path in holding(home, IN_PROMPT) if not path.startswith("jobs/")] == []
    kept = home.rows("SELECT prompt, reply FROM turns")
    if content == "none":
        assert kept == [(None, None)]
    else:
        (prompt, reply), *_ = kept
        assert prompt == "The token is [redacted].\n\nSay [redacted] and [redacted], please."
        assert "[redacted]" in reply


async def test_lesson_82_a_verdict_keeps_the_hash_of_the_prompt_and_not_the_prompt(home: Home) -> None:
    async with home.open() as caller:
        await caller.ask(f"say {IN_PROMPT}", approvalStrategy="mcp_managed")
    ((verdict,),) = home.rows("SELECT CAST(doc AS TEXT) FROM verdicts")
    assert IN_PROMPT not in verdict
    assert "prompt_sha256" in verdict


async def test_lesson_47_and_82_everything_in_the_home_is_the_owners_alone(home: Home) -> None:
    async with home.open() as caller:
        await caller.ask("hello")
        open_ones = [path for path in [home.path, *home.path.rglob("*")] if not _is_private(path)]
        assert open_ones == []
        assert {path.name for path in home.path.glob("gateway.db*")} > {"gateway.db"}, "the journals too"
    assert [path for path in home.path.rglob("*") if not _is_private(path)] == []


def _is_private(path: Path) -> bool:
    mode = path.lstat().st_mode
    return stat.S_ISSOCK(mode) or mode & 0o077 == 0
