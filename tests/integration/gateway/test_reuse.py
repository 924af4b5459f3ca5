"""A finished answer is given again only while everything is as its run left it."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway import Job, JobId, JobState, Posture
from llm_gateway.operations.answers import reuse_note
from tests.integration.gateway.world import Caller, Home, redescribe

pytestmark = pytest.mark.anyio


async def while_it_runs(caller: Caller, change: Callable[[], object], **arguments: Any) -> str:
    """Ask for something during which the files change; the job, ended."""
    job = await caller.start("change it", scenario="silent", delayMs=600, **arguments)
    await caller.begun(job)
    change()
    await caller.wait(job)
    return job


async def again(caller: Caller, **arguments: Any) -> str:
    job = await caller.start("change it", scenario="silent", delayMs=600, **arguments)
    await caller.wait(job)
    return job


async def test_lesson_96_a_run_that_could_write_is_reused_only_while_the_files_are_as_it_left_them(
    home: Home, repository: Path
) -> None:
    code = repository / "code.py"
    async with home.open() as caller:
        first = await while_it_runs(caller, lambda: code.write_text("done\n"))
        assert await again(caller) == first
        code.write_text("one\n")  # reset ...
        second = await again(caller)  # ... and retry
        assert second != first
        assert await again(caller) == second


async def test_a_run_that_could_not_write_is_not_reused_when_the_files_changed_while_it_read_them(
    home: Home, repository: Path
) -> None:
    code = repository / "code.py"
    async with home.open() as caller:
        first = await while_it_runs(caller, lambda: code.write_text("two\n"), posture="read_only")
        second = await again(caller, posture="read_only")
        assert second != first
        assert await again(caller, posture="read_only") == second
        code.write_text("one\n")
        assert await again(caller, posture="read_only") not in (first, second)


async def test_lesson_71_what_still_runs_is_joined_although_it_has_changed_the_files(home: Home) -> None:
    async with home.open() as caller, home.peer() as peer:
        job = await caller.start("change it", scenario="silent", delayMs=1500)
        await caller.begun(job)
        (home.work / "new").write_text("by the agent")
        assert await caller.start("change it", scenario="silent", delayMs=1500) == job
        assert await peer.start("change it", scenario="silent", delayMs=1500) == job
        assert await caller.start("change it", scenario="silent", delayMs=1500, createNewSession=True) == job
        await caller.wait(job)


async def test_what_still_runs_is_joined_when_nobody_can_tell_the_state_of_the_files(home: Home) -> None:
    os.mkfifo(home.work / "pipe")
    async with home.open() as caller:
        job = await caller.start("slow", scenario="silent", delayMs=800)
        assert await caller.start("slow", scenario="silent", delayMs=800) == job
        await caller.wait(job)
        assert await caller.start("slow", scenario="silent", delayMs=800) != job


def plain(home: Home) -> None:
    (home.work / "new").write_text("x")


def second_edit(home: Home) -> None:
    (home.work / "edited").write_text("two")


CHANGES = {"a file more": plain, "an edit": second_edit}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_directory_outside_of_git_is_compared_by_content(home: Home, change: str) -> None:
    (home.work / "edited").write_text("one")
    async with home.open() as caller:
        first = await caller.ask("same")
        assert (await caller.ask("same"))["jobId"] == first["jobId"]
        CHANGES[change](home)
        assert (await caller.ask("same"))["jobId"] != first["jobId"]


async def test_lesson_94_a_second_edit_in_a_submodule_runs_again(home: Home, repository: Path, tmp_path: Path) -> None:
    quiet = {**home.env, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    clone = ["git", "clone", "-q", str(repository), str(tmp_path / "inner")]
    add = ["git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "inner"), "sub"]
    for command in (clone, add):
        await anyio.run_process(command, cwd=repository, env=quiet)
    jobs = []
    async with home.open() as caller:
        for content in ("one\n", "two\n", "six\n"):
            (repository / "sub/code.py").write_text(content)
            jobs += [(await caller.ask("review"))["jobId"] for _ in range(2)]
    assert jobs[0::2] == jobs[1::2]
    assert len(set(jobs)) == 3


async def test_lesson_95_the_value_of_any_variable_that_reaches_the_run_counts(home: Home) -> None:
    home.write_config('[providers.echo]\nenv_pass = ["THE_MODEL"]\n')
    jobs = []
    for changes in (
        {},
        {"THE_MODEL": "a"},
        {"THE_MODEL": "b"},
        {"LANG": "xx"},
        {"XDG_STATE_HOME": "/s"},
        {"UNSEEN": "1"},
    ):
        kept = dict(home.env)
        home.env.update(changes)
        async with home.open() as caller:
            jobs.append((await caller.ask("same"))["jobId"])
        home.env = kept
    assert len(set(jobs[:-1])) == 5
    assert jobs[-1] == jobs[0]


async def test_no_value_of_a_variable_is_kept(home: Home) -> None:
    home.write_config('[providers.echo]\nenv_pass = ["THE_KEY"]\n')
    home.env["THE_KEY"] = "canary-4711"
    async with home.open() as caller:
        await caller.ask("same")
    kept = [path for path in home.path.rglob("*") if path.is_file() and b"canary-4711" in path.read_bytes()]
    assert kept == []


async def test_the_definition_of_an_mcp_server_counts_not_its_name(home: Home) -> None:
    jobs = []
    for word in ("one", "two", "one"):
        home.write_config(f'[mcp_servers.tool]\ncommand = "true"\nargs = ["{word}"]\n')
        async with home.open() as caller:
            jobs.append((await caller.ask("same", mcpServers=["tool"]))["jobId"])
    assert jobs[0] == jobs[2] != jobs[1]


async def test_what_lies_in_added_directories_counts(home: Home, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    async with home.open() as caller:
        first = await caller.ask("same", addDirs=[str(more)])
        (more / "file").write_text("x")
        second = await caller.ask("same", addDirs=[str(more)])
        third = await caller.ask("same", addDirs=[str(more)])
    assert first["jobId"] != second["jobId"] == third["jobId"]


async def test_the_programs_own_files_count(home: Home, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    async with home.open() as caller:
        redescribe(caller.gateway, "echo", config_files=lambda environ, working_dir: [str(settings)])
        jobs = [(await caller.ask("same"))["jobId"] for _ in range(2)]
        settings.write_text("{}")
        jobs += [(await caller.ask("same"))["jobId"] for _ in range(2)]
    assert jobs[0] == jobs[1] != jobs[2] == jobs[3]


async def test_the_gateways_own_home_does_not_count(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    home.env["LLM_GATEWAY_ECHO_HOME"] = str(tmp_path_factory.mktemp("echo"))
    async with home.open() as caller:
        jobs = [(await caller.ask("same", workingDir=str(home.path.parent)))["jobId"] for _ in range(2)]
    assert jobs[0] == jobs[1]


# --------------------------------------------------------------------------------------------- what cannot be known


def huge(work: Path) -> None:
    with (work / "huge").open("wb") as file:
        file.truncate(12 * 1024**3)


def many(work: Path) -> None:
    for number in range(20_000):
        (work / f"f{number}").touch()


def pipe(work: Path) -> None:
    os.mkfifo(work / "pipe")


def ignore_pipe(work: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=work, check=True)
    os.mkfifo(work / ".gitignore")


@pytest.mark.parametrize("make", [huge, pipe], ids=lambda make: make.__name__)
async def test_lesson_97_what_cannot_be_told_within_the_budget_is_neither_waited_for_nor_reused(
    home: Home, make: Callable[[Path], None]
) -> None:
    make(home.work)
    home.set(reuse__budget_s=0.2)
    async with home.open() as caller:
        before = time.monotonic()
        first = await caller.start("same")
        took_s = time.monotonic() - before
        await caller.wait(first)
        second = await caller.start("same")
        await caller.wait(second)
    assert first != second
    assert took_s < 0.2 + 15.0  # a busy machine; reading it all would take a minute


@pytest.mark.parametrize("make", [many, ignore_pipe], ids=lambda make: make.__name__)
async def test_lesson_97_looking_takes_no_longer_than_the_budget(home: Home, make: Callable[[Path], None]) -> None:
    make(home.work)
    home.set(reuse__budget_s=0.05)
    async with home.open() as caller:
        before = time.monotonic()
        first = await caller.start("same")
        took_s = time.monotonic() - before
        await caller.wait(first)
    assert took_s < 0.05 + 15.0


async def test_more_bytes_than_the_budget_are_not_reused(home: Home) -> None:
    (home.work / "file").write_bytes(b"x" * 5000)
    home.set(reuse__budget_bytes=4999)
    async with home.open() as caller:
        assert (await caller.ask("same"))["jobId"] != (await caller.ask("same"))["jobId"]
    home.set(reuse__budget_bytes=50_000)
    async with home.open() as caller:
        assert (await caller.ask("same"))["jobId"] == (await caller.ask("same"))["jobId"]


async def test_a_budget_of_no_time_reuses_no_finished_answer(home: Home) -> None:
    home.set(reuse__budget_s=0)
    async with home.open() as caller:
        assert (await caller.ask("same"))["jobId"] != (await caller.ask("same"))["jobId"]


async def test_lesson_97_a_file_system_that_does_not_answer_costs_one_budget_and_one_thread(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.set(reuse__budget_s=0.2)
    answered, asked = threading.Event(), []

    def hang(*_: object) -> None:
        asked.append(threading.current_thread())
        answered.wait(60)

    async with home.open() as caller:
        monkeypatch.setattr(caller.gateway.host, "tree_state", hang)
        ticks: list[float] = []

        async def tick() -> None:
            while True:
                ticks.append(time.monotonic())
                await anyio.lowlevel.checkpoint()

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tick)
                before = time.monotonic()
                jobs = [await caller.start("same")]
                took_s = time.monotonic() - before
                jobs.append(await caller.start("another"))
                await caller.wait(*jobs)
                jobs.append(await caller.start("same"))
                await caller.wait(*jobs, until="all")
                tasks.cancel_scope.cancel()
            assert len(set(jobs)) == 3
            assert len(asked) == 1
            assert took_s < 0.2 + 15.0
            assert len(ticks) > 10
        finally:
            answered.set()
            asked[0].join(60)


# -------------------------------------------------------------------------------------------------- what is said of it


async def test_lesson_26_a_reused_answer_says_how_old_it_is_and_how_to_get_a_new_one(home: Home) -> None:
    async with home.open() as caller:
        first = await caller.ask("same")
        second = await caller.ask("same", createNewSession=True)
        fresh = await caller.ask("same", forceRefresh=True)
        third = await caller.ask("same")
        started = await caller.call("echo_request_async", **home.asking("same", {}))
    assert "reused" not in first
    assert re.fullmatch(r"answer from \d\d:\d\d, .+ ago; use forceRefresh for a new run", second["reused"])
    assert second["text"] == first["text"]
    assert "reused" not in fresh
    assert len({first["jobId"], second["jobId"], fresh["jobId"]}) == 2
    assert third["jobId"] == fresh["jobId"] == started["job"]["id"]
    assert started["reused"]


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        *((0, "less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (725, "12 minutes")),
        *((3600, "1 hour"), (86_399, "23 hours"), (86_400, "1 day"), (172_801, "2 days")),
    ],
)
def test_ages_are_told_in_the_largest_whole_unit(seconds: int, age: str) -> None:
    ended_at = datetime(2026, 11, 29, 14, 2, tzinfo=timezone.utc)
    job = Job(
        id=JobId("job-1"),
        provider="echo",
        state=JobState.COMPLETED,
        principal="local",
        owner="g",
        posture=Posture.PLAN,
        working_dir="/w",
        created_at=ended_at,
        ended_at=ended_at,
    )
    note = reuse_note(job, ended_at + timedelta(seconds=seconds))
    assert note is not None
    assert f", {age} ago;" in note
    assert reuse_note(replace(job, ended_at=None), ended_at) is None
