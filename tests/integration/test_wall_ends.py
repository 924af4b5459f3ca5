"""When no wall can be built, and how a walled run ends. A script stands in for an agent."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from llm_gateway_policy_wall import bubblewrap
from llm_gateway_policy_wall.plugin import Wall
from tests.integration.walled import WALL, World, anyio_backend, signal_pipe, world
from tests.real_clis.signal_pipe import SignalPipe

__all__ = ["anyio_backend", "signal_pipe", "world"]

pytestmark = pytest.mark.anyio


async def test_without_bubblewrap_a_request_is_refused_or_warned_about(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(world.bin))
    refused = await world.ask("true")
    allowed = await world.ask("touch /tmp/said; echo here", settings="[wall]\nrequired = false\n")
    assert refused["error"]["code"] == "approval_denied"
    assert "`bwrap` was not found on the gateway's PATH" in refused["error"]["message"]
    assert allowed["text"] == "here\n"
    assert [warning["code"] for warning in allowed["warnings"]] == ["no_wall"]


async def test_a_bubblewrap_that_the_kernel_refuses_is_told_with_its_words(world: World) -> None:
    broken = world.bin / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    refused = await world.ask("true", settings=f'[wall]\nbubblewrap = "{broken}"\n')
    assert refused["error"]["code"] == "approval_denied"
    assert "No permissions to create new namespace" in refused["error"]["message"]
    assert "user namespaces" in refused["error"]["message"]


@pytest.mark.parametrize("place", ["", "..", ".ssh", ".ssh/deeper", "gateway"])
async def test_a_directory_that_would_open_the_home_or_its_secrets_is_refused(world: World, place: str) -> None:
    (world.folder / ".ssh" / "deeper").mkdir()
    link = world.folder.parent / f"{world.folder.name}-link"
    link.symlink_to((world.folder / place).resolve())
    try:
        for asked in ({"workingDir": str(world.folder / place)}, {"addDirs": [str(world.folder / place)]}):
            refused = await world.ask("true", **asked)
            assert refused["error"]["code"] == "approval_denied", asked
        assert (await world.ask("true", workingDir=str(link)))["error"]["code"] == "approval_denied"
    finally:
        link.unlink()


def test_doctor_tells_whether_a_wall_can_be_built(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (fine,) = Wall().gateway_diagnose()
    monkeypatch.setenv("PATH", "/nonexistent")
    (broken,) = Wall().gateway_diagnose()
    assert (fine.ok, broken.ok) == (True, False)
    assert "bwrap" in fine.message
    assert "was not found" in broken.message
    assert bubblewrap.find(None, {"PATH": "/nonexistent"}) is None


# ------------------------------------------------------------------------------------------------------------------- end


async def test_the_end_of_the_program_is_told_as_it_was(world: World) -> None:
    code = await world.ask("exit 7")
    killed = await world.ask("kill -9 $$")
    assert code["exitCode"] == 7
    assert killed["status"] == "failed"
    assert "signal 9" in killed["error"]["message"]


async def test_a_canceled_program_hears_the_signal_and_leaves_no_process(world: World, signal_pipe: SignalPipe) -> None:
    heard = world.work / "heard"
    world.does(
        f"trap 'echo heard > {heard}; exit 3' TERM; (setsid sleep 300 &); echo up > {signal_pipe.path}; while :; do sleep 0.05; done"
    )
    async with world.factory.open(WALL, programs=[world.bin]) as gateway:
        asked = {"prompt": "x", "workingDir": str(world.work), "posture": "bypass"}
        job = (await world.factory.call(gateway, "echo_request_async", **asked))["job"]["id"]
        await anyio.to_thread.run_sync(signal_pipe.wait)
        await world.factory.call(gateway, "llm_job_cancel", jobId=job)
        answer = await world.factory.call(gateway, "llm_job_result", jobId=job)
    assert answer["status"] == "canceled"
    assert heard.read_text() == "heard\n"
    assert list(world.work.glob(".*")) == []


async def test_a_supervisor_that_is_killed_takes_all_with_it_and_the_next_run_clears_up(
    world: World, signal_pipe: SignalPipe
) -> None:
    world.does(f"echo up > {signal_pipe.path}; sleep 300")
    async with world.factory.open(WALL, programs=[world.bin]) as gateway:
        asked = {"prompt": "x", "workingDir": str(world.work), "posture": "bypass"}
        job = (await world.factory.call(gateway, "echo_request_async", **asked))["job"]["id"]
        await anyio.to_thread.run_sync(signal_pipe.wait)
        (run,) = (await world.factory.call(gateway, "llm_process_health"))["running"]
        os.kill(run["pid"], signal.SIGKILL)
        await world.factory.call(gateway, "llm_job_wait", jobIds=[job], until="all", timeoutMs=20_000)
    assert (world.work / ".claude").is_dir(), "nobody was left to remove it"
    await world.told("echo done")
    assert [path.name for path in world.work.iterdir()] == ["signal_pipe"]


async def test_of_two_runs_in_one_directory_the_first_to_end_leaves_the_other_its_wall(
    world: World, signal_pipe: SignalPipe
) -> None:
    go = world.work / "go"
    slow = f"echo up > {signal_pipe.path}; while [ ! -e {go} ]; do sleep 0.02; done; mkdir {world.work}/.claude/hooks; rmdir {world.work}/.claude"
    world.does(f"if mkdir {world.work}/lock 2>/dev/null; then {slow}; else echo second; fi")
    async with world.factory.open(WALL, programs=[world.bin]) as gateway:
        asked = {"workingDir": str(world.work), "posture": "bypass"}
        job = (await world.factory.call(gateway, "echo_request_async", prompt="one", **asked))["job"]["id"]
        await anyio.to_thread.run_sync(signal_pipe.wait)
        second = await world.factory.call(gateway, "echo_request", prompt="two", createNewSession=True, **asked)
        go.touch()
        await world.factory.call(gateway, "llm_job_wait", jobIds=[job], until="all", timeoutMs=20_000)
        told = await world.factory.call(gateway, "llm_job_result", jobId=job)
    assert second["text"] == "second\n"
    assert "cannot" in told["text"] or "failed" in told["text"], told
    assert sorted(path.name for path in world.work.iterdir()) == ["go", "lock", "signal_pipe"]
