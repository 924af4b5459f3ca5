"""Gateways, fork servers and shims that are killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from llm_gateway.model.invocation import EndReason
from llm_gateway_engine_local import engine as engine_module
from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_engine_local.process.identity import identify
from llm_gateway_engine_local.shim.starter import Starter

GATEWAY = """
import anyio, pathlib, sys, os
from llm_gateway_engine_local import engine as engine_module
from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_engine_local.shim.starter import Starter
from llm_gateway.model.engine import RunSpec
async def main():
    home, job, ways, *argv = sys.argv[1:]
    engine = LocalEngine(pathlib.Path(home), starter=Starter(fork_server=ways == "fork_server"))
    await engine.aopen()
    await engine.launch(RunSpec(job_id=job, argv=tuple(argv), cwd="/", env={"PATH": "/bin"}, timeout_s=60, output_bytes=1 << 20))
    async for _ in engine.changes(job):
        if engine.read_output(job, "stdout", 0, 9): break
    print("begun", flush=True)
    await anyio.sleep_forever()
anyio.run(main)
"""


@pytest.fixture
def foreign_run(home, make_spec, tmp_path):
    """Have another gateway process start a run, and kill that process."""
    gateways = []

    def start(spec, ways="fork_server"):
        argv = [sys.executable, "-c", GATEWAY, str(home), spec.job_id, ways, *spec.argv]
        gateway = subprocess.Popen(argv, stdout=subprocess.PIPE)
        gateways.append(gateway)
        assert gateway.stdout.readline() == b"begun\n"
        return gateway

    yield start
    for gateway in gateways:
        gateway.kill()
        gateway.wait()
        gateway.stdout.close()


@pytest.mark.parametrize("ways", ["fork_server", "alone"])
def test_lesson_7_a_run_outlives_its_killed_gateway_and_the_next_has_all_of_it(
    play, make_spec, foreign_run, tmp_path, ways
):
    os.mkfifo(tmp_path / "fifo")
    spec = make_spec(sh=f"echo before; read line < {tmp_path}/fifo; echo after; echo more >&2; exit 4")
    gateway = foreign_run(spec, ways)
    gateway.kill()
    gateway.wait()

    async def scene(engine):
        assert engine.view(spec.job_id).alive
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, lambda: (tmp_path / "fifo").write_text("go\n"))
            end = await engine.wait(spec.job_id)
        return end, engine.read_output(spec.job_id, "stdout", 0, 99), engine.read_output(spec.job_id, "stderr", 0, 99)

    end, stdout, stderr = play(scene)
    assert (end.reason, end.exit_code) == (EndReason.EXITED, 4)
    assert (stdout, stderr) == (b"before\nafter\n", b"more\n")


def test_lesson_8_a_run_that_ended_while_no_gateway_ran_is_known_at_once(play, make_spec, foreign_run, gone, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    spec = make_spec(sh=f"echo before; read line < {tmp_path}/fifo; echo after")
    gateway = foreign_run(spec)
    gateway.kill()
    gateway.wait()

    async def scene(engine):
        shim = engine.view(spec.job_id).shim_pid
        await anyio.to_thread.run_sync(lambda: (tmp_path / "fifo").write_text("go\n"))
        await gone(shim)
        begun = time.monotonic()
        end = await engine.wait(spec.job_id)
        return end, time.monotonic() - begun

    end, span = play(scene)
    assert end.reason is EndReason.EXITED
    assert span < 15, "not waited for until its time limit"


def test_lesson_6_a_closed_engine_leaves_its_runs_alone(play, make_spec, saw, tmp_path, starter):
    os.mkfifo(tmp_path / "fifo")
    spec = make_spec(sh="echo before; read line < fifo; echo after")

    async def first(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"before")

    async def second(engine):
        await anyio.to_thread.run_sync(lambda: (tmp_path / "fifo").write_text("go\n"))
        return (await engine.wait(spec.job_id)).exit_code, engine.read_output(spec.job_id, "stdout", 0, 99)

    play(first, starter=starter)
    assert play(second) == (0, b"before\nafter\n")


@pytest.mark.parametrize("own", [True, False], ids=["own run", "another's run"])
def test_lesson_5_a_killed_shim_means_vanished_and_nothing_is_left(play, make_spec, saw, home, foreign_run, own):
    code = (
        "import os,signal,time\nif os.fork()==0:\n os.setsid()\n if os.fork()==0:\n"
        "  signal.signal(15, signal.SIG_IGN); print('pid', os.getpid(), 'end'); time.sleep(100)\n os._exit(0)\ntime.sleep(100)"
    )
    spec = make_spec(py=code)

    async def scene(engine):
        if own:
            await engine.launch(spec)
        else:
            await anyio.to_thread.run_sync(foreign_run, spec)
        output = await saw(engine, spec.job_id, b"end")
        view = engine.view(spec.job_id)
        ends = []

        async def wait(one):
            ends.append(await one.wait(spec.job_id))

        other = LocalEngine(home)
        await other.aopen()
        async with anyio.create_task_group() as group:
            group.start_soon(wait, engine)
            group.start_soon(wait, other)
            await anyio.wait_all_tasks_blocked()
            os.kill(view.shim_pid, signal.SIGKILL)
        await other.aclose()
        left = [identify(pid) for pid in (view.pid, view.shim_pid, int(output.split()[1]))]
        return ends, engine.read_output(spec.job_id, "stdout", 0, 99), [who for who in left if who and who.is_alive()]

    ends, output, left = play(scene)
    assert ends[0] == ends[1]
    assert ends[0].reason is EndReason.VANISHED
    assert ends[0].killed_descendants >= 1
    assert output.startswith(b"pid ")
    assert left == []


def test_a_vanished_run_is_concluded_once_and_every_gateway_returns_that_end(play, make_spec, saw, home, monkeypatch):
    """The gateway that launched the run knows that its shim has ended. It must still respect the lock of another that concludes it."""
    spec = make_spec(sh="echo ready; exec sleep 100", artifacts=("{run_files}/*",), files={"part": b"kept"})
    both = threading.Barrier(2)
    concluded = []

    def conclude(folder, job_id):
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)  # time for a second gateway to conclude it, too
        concluded.append(job_id)
        conclude_really(folder, job_id)

    conclude_really = engine_module.conclude_without_shim
    monkeypatch.setattr(engine_module, "conclude_without_shim", conclude)

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        other = LocalEngine(home)
        await other.aopen()
        ends = []

        async def wait(one):
            ends.append(await one.wait(spec.job_id))

        async with anyio.create_task_group() as group:
            for one in (engine, other, engine, other):
                group.start_soon(wait, one)
            await anyio.wait_all_tasks_blocked()
            os.kill(engine.view(spec.job_id).shim_pid, signal.SIGKILL)
        await other.aclose()
        return ends

    first, *others = play(scene)
    assert concluded == [spec.job_id]
    assert others == [first] * 3
    assert first.artifacts == {"{run_files}/*": b"kept"}


@pytest.mark.linux
def test_a_lock_that_a_process_of_the_run_holds_does_not_delay_the_end_of_a_vanished_run(play, make_spec, saw, home):
    spec = make_spec(
        py="import fcntl, os, time\n"
        "if os.fork() == 0:\n"
        " os.setsid()\n"
        " if os.fork() == 0:\n"
        "  lock = open(os.environ['LOCK'], 'r+')\n"
        "  print('waiting')\n"
        "  fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "  time.sleep(100)\n"
        " os._exit(0)\n"
        "time.sleep(100)"
    )
    spec = replace(spec, env={**spec.env, "LOCK": str(home / "jobs" / spec.job_id / "lock")})

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"waiting")
        os.kill(engine.view(spec.job_id).shim_pid, signal.SIGKILL)
        with anyio.fail_after(10):
            return await engine.wait(spec.job_id)

    assert play(scene).reason is EndReason.VANISHED


@pytest.mark.linux
def test_an_agent_does_not_outlive_its_shim_even_without_a_gateway(play, make_spec, saw, gone):
    spec = make_spec(sh="echo ready; exec sleep 100")

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        view = engine.view(spec.job_id)
        os.kill(view.shim_pid, signal.SIGKILL)
        await gone(view.pid)

    play(scene)


def test_lesson_43_secrets_of_a_vanished_run_are_deleted_when_it_is_concluded(play, make_spec, saw, home):
    spec = make_spec(sh="echo ready; exec sleep 100", files={"secret": b"s3cret"}, artifacts=("{run_files}/secret",))

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        assert (home / "jobs" / spec.job_id / "files" / "secret").read_bytes() == b"s3cret"
        os.kill(engine.view(spec.job_id).shim_pid, signal.SIGKILL)
        return await engine.wait(spec.job_id)

    assert play(scene).artifacts == {"{run_files}/secret": b"s3cret"}
    assert not (home / "jobs" / spec.job_id / "files").exists()


def test_a_killed_fork_server_ends_no_run_and_is_replaced(play, make_spec, saw, gone, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    before, after = make_spec(sh="echo ready; read line < fifo; exit 7"), make_spec(sh="exit 8")
    starter = Starter()

    async def scene(engine):
        await engine.launch(before)
        await saw(engine, before.job_id, b"ready")
        first = starter.fork_server_pid
        os.kill(first, signal.SIGKILL)
        await gone(first)
        await engine.launch(after)
        assert starter.fork_server_pid != first
        codes = [(await engine.wait(after.job_id)).exit_code]
        await anyio.to_thread.run_sync(lambda: (tmp_path / "fifo").write_text("go\n"))
        return [*codes, (await engine.wait(before.job_id)).exit_code]

    assert play(scene, starter=starter) == [8, 7]


def test_a_message_that_was_lost_with_the_fork_server_is_sent_again(play, make_spec, tmp_path):
    warm, spec = make_spec(sh="true"), make_spec(sh="echo ran >> count")
    starter = Starter()

    async def scene(engine):
        await engine.launch(warm)
        await engine.wait(warm.job_id)
        os.kill(starter.fork_server_pid, signal.SIGSTOP)
        await engine.launch(spec)
        os.kill(starter.fork_server_pid, signal.SIGKILL)
        return await engine.wait(spec.job_id)

    assert play(scene, starter=starter).exit_code == 0
    assert (tmp_path / "count").read_text() == "ran\n"


def test_where_no_shim_can_be_started_the_run_fails_instead_of_hanging(play, make_spec):
    starter = Starter(fork_server=False)
    starter.program = ("/bin/true",)
    spec = make_spec(sh="true")

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    end = play(scene, starter=starter)
    assert end.reason is EndReason.SPAWN_FAILED
    assert end.detail == "No shim could be started."


def test_lesson_81_a_held_lock_and_not_a_time_says_that_a_shim_is_alive(play, make_spec, saw, home):
    spec = make_spec(sh="echo ready; exec sleep 100")

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        shim = engine.view(spec.job_id).shim_pid
        os.kill(shim, signal.SIGSTOP)  # it does nothing for any length of time
        for path in (home / "jobs" / spec.job_id).iterdir():
            os.utime(path, (0, 0))
        other = LocalEngine(home)
        await other.aopen()
        with anyio.move_on_after(0.3) as patience:
            await other.wait(spec.job_id)
        await other.aclose()
        assert patience.cancelled_caught
        assert engine.view(spec.job_id).alive
        os.kill(shim, signal.SIGCONT)
        await engine.cancel(spec.job_id)
        return (await engine.wait(spec.job_id)).reason

    assert play(scene) is EndReason.CANCELED


def test_the_drafts_of_a_killed_gateway_are_deleted_when_the_run_is_concluded(play, make_spec, home):
    """It was killed while it concluded a run that was canceled before its start, or while it launched it."""
    spec = make_spec(sh="true")
    folder = home / "jobs" / spec.job_id
    folder.mkdir(parents=True, mode=0o700)
    (folder / "cancel").touch()
    for name in (".exit.json.0b78d148d210", ".spec.json.0b78d148d210", ".stdin.0b78d148d210"):
        (folder / name).write_text("{")

    end = play(lambda engine: engine.wait(spec.job_id))
    assert end.reason is EndReason.CANCELED
    assert [path.name for path in folder.glob(".*")] == []


def test_the_fork_server_ends_with_its_gateway(play, make_spec, gone):
    starter, spec = Starter(), make_spec(sh="true")

    async def scene(engine):
        await engine.launch(spec)
        await engine.wait(spec.job_id)
        return starter.fork_server_pid

    pid = play(scene, starter=starter)
    assert identify(pid) is None


def test_a_nested_gateway_that_concludes_the_run_it_belongs_to_does_not_kill_itself(make_spec, home, monkeypatch):
    from llm_gateway_engine_local.shim import ending

    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from llm_gateway_engine_local.shim import ending; print(ending.end_leftovers('job-nested', None))",
        ],
        env={**os.environ, "LLM_GATEWAY_JOB": "job-nested"},
        stdout=subprocess.PIPE,
        cwd=Path.cwd(),
    )
    assert child.communicate(timeout=30)[0] == b"0\n"
    assert ending.marked("job-nested") == []


def test_a_run_that_an_earlier_version_started_is_found_and_canceled(play, make_spec, saw, home):
    spec = make_spec(sh="echo ready; exec sleep 100")

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        shim = engine.view(spec.job_id).shim_pid
        file = home / "jobs" / spec.job_id / "state.json"
        state = json.loads(file.read_bytes())
        state["keeper"] = state.pop("shim")
        file.write_text(json.dumps(state))
        later = LocalEngine(home)
        await later.aopen()
        view = later.view(spec.job_id)
        await later.cancel(spec.job_id)
        end = await later.wait(spec.job_id)
        await later.aclose()
        return view.shim_pid == shim, view.alive, end.reason

    assert play(scene) == (True, True, EndReason.CANCELED)
