"""What a run may see, and what is left on the disk of what it saw."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from llm_gateway.errors import NotInstalled
from llm_gateway.planning.invocation import BASE_ENVIRONMENT
from tests.integration.gateway.world import Caller, Home, refused

pytestmark = pytest.mark.anyio
CANARY = "canary-7f3a91"


async def seen(caller: Caller, words: str, *, background: bool = False) -> dict[str, str]:
    """The names a run sees, with the values of those in `words`."""
    asked = {"scenario": "env", "forceRefresh": True}
    if background:
        job = await caller.start(words, **asked)
        await caller.wait(job)
        told = await caller.result(job)
    else:
        told = await caller.ask(words, **asked)
    answer = json.loads(told["text"])
    return {name: answer["values"].get(name, "") for name in answer["names"]}


@pytest.mark.parametrize("background", [False, True], ids=["waiting", "async"])
async def test_lesson_45_and_46_a_run_sees_what_it_may_see_and_nothing_else(home: Home, background: bool) -> None:
    secrets = (
        "OTHER_API_KEY",
        "SOME_BASE_URL",
        "AWS_SECRET_ACCESS_KEY",
        "LD_PRELOAD_X",
        "PYTHONPATH_X",
        "SSH_AUTH_SOCK",
    )
    home.env.update(dict.fromkeys(secrets, CANARY))
    home.env.update(LC_ALL="C.UTF-8", HTTPS_PROXY="http://localhost:1")
    home.write_config('[providers.echo]\nenv_pass = ["SOME_PASSED"]\n[providers.echo.env]\nFLAVOUR = "vanilla"\n')
    home.env["SOME_PASSED"] = "through"
    async with home.open() as caller:
        names = await seen(caller, "LC_ALL HTTPS_PROXY SOME_PASSED FLAVOUR HOME", background=background)
    assert not names.keys() & {*secrets, "LLM_GATEWAY_HOME"}
    assert CANARY not in names.values()
    assert names["LC_ALL"] == "C.UTF-8"
    assert names["HTTPS_PROXY"] == "http://localhost:1"
    assert names["SOME_PASSED"] == "through"
    assert names["FLAVOUR"] == "vanilla"
    exact = {name for name in BASE_ENVIRONMENT if not name.endswith("*")}
    ours = {"LLM_GATEWAY_DEPTH", "LLM_GATEWAY_JOB", "LLM_GATEWAY_ECHO_HOME", "SOME_PASSED", "FLAVOUR"}
    other = {name for name in names if name not in exact | ours and not name.startswith(("LC_", "XDG_"))}
    assert other <= {"PWD", "SHLVL", "_", "LC_CTYPE"}


async def test_lesson_46_a_job_that_another_gateway_starts_sees_no_more(home: Home) -> None:
    home.set(limits__running=1)
    home.env["OTHER_API_KEY"] = CANARY
    async with home.peer() as peer:
        await peer.start("first", scenario="silent", delayMs=600)
        job = await peer.start("OTHER_API_KEY", scenario="env")
        await peer.kill()
    async with home.open() as caller:
        await caller.wait(job)
        told = await caller.result(job)
    assert told["status"] == "completed"
    assert "OTHER_API_KEY" not in told["text"]


async def test_lesson_47_and_82_no_value_of_the_environment_is_in_any_file(home: Home) -> None:
    home.env |= {"OTHER_API_KEY": CANARY, "LC_CANARY": CANARY}
    home.write_config(
        '[mcp_servers.keyed]\ncommand = "sh"\nenv = { TOKEN = "$CANARY" }\n'.replace("$CANARY", "token-55b0")
    )
    async with home.open() as caller:
        await caller.ask("hello", mcpServers=["keyed"])
        job = await caller.start("hello", mcpServers=["keyed"], scenario="hang")
        await caller.said(job)
        assert holding(home, CANARY) == []
        await caller.cancel(job)
        await caller.ask("hello", scenario="crash")
    assert holding(home, CANARY) == []
    assert holding(home, "token-55b0") == ["config.toml"]


async def test_lesson_82_prompt_and_answer_are_in_the_folder_of_the_job_and_nowhere_else(home: Home) -> None:
    async with home.open() as caller:
        told = await caller.ask(f"say {CANARY}", correlationId="c-1")
        failed = await caller.ask(f"fail {CANARY}", scenario="crash_after_text")
        await caller.call("llm_process_health")
        assert CANARY not in json.dumps([await caller.jobs(), await caller.call("llm_process_health")])
    places = {Path(name).parts[:2] for name in holding(home, CANARY)}
    assert places == {("jobs", told["jobId"]), ("jobs", failed["jobId"])}


async def test_everything_in_the_home_is_for_its_owner_alone(home: Home) -> None:
    old = os.umask(0)
    try:
        async with home.open() as caller:
            await caller.ask("hello", scenario="noisy")
            job = await caller.start("hello", scenario="hang")
            await caller.said(job)
            open_doors = [
                f"{path.relative_to(home.path)} {stat.S_IMODE(path.lstat().st_mode):o}"
                for path in [home.path, *home.path.rglob("*")]
                if stat.S_IMODE(path.lstat().st_mode) & 0o077
            ]
    finally:
        os.umask(old)
    assert open_doors == []


async def test_lesson_42_a_program_in_the_working_directory_is_not_taken(home: Home) -> None:
    planted = home.work / "llm-gateway-echo"
    planted.write_text("#!/bin/sh\necho planted\n")
    planted.chmod(0o755)
    for path in (".", "", f".:{home.env['PATH']}"):
        home.env["PATH"] = path
        async with home.open() as caller:
            told = await caller.ask("hello", forceRefresh=True)
        assert told["text"] == "echo: hello"


async def test_the_program_of_the_settings_goes_before_the_path(home: Home) -> None:
    named = home.work / "named"
    named.write_text('#!/bin/sh\necho \'{"type": "result", "text": "I was named"}\'\n')
    home.set(providers__echo__executable=named)
    async with home.open() as caller:
        await refused(NotInstalled, caller.ask())
        named.chmod(0o755)
        assert (await caller.ask())["text"] == "I was named"


def holding(home: Home, words: str) -> list[str]:
    """Every file of the home with these words in it."""
    files = [path for path in home.path.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(home.path)) for path in files if words.encode() in path.read_bytes())
