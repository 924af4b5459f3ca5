"""Systems without pidfds, without /proc, without subreapers, without holes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

import llm_gateway_engine_local
from llm_gateway.model.invocation import EndReason
from llm_gateway.model.provider import EndStep
from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_engine_local.process.identity import identify
from llm_gateway_engine_local.shim.starter import Starter

POORER = """
import os, sys
sys.path += [{engine!r}, sys.argv[3]]
from llm_gateway_engine_local.process import linux
from llm_gateway_engine_local.shim import fork_server
if {no_linux}:
    linux.become_reaper = linux.die_with_parent = linux.punch = lambda *_: False
    linux.PROC = "/nonexistent"
    del os.pidfd_open
else:
    linux.punch = lambda *_: False
fork_server.main(sys.argv[1], int(sys.argv[2]))
"""


def poorer(tmp_path: Path, *, no_linux: bool, fork_server: bool = True) -> Starter:
    script = tmp_path / "poorer.py"
    script.write_text(
        POORER.format(engine=str(Path(llm_gateway_engine_local.__file__).parent.parent), no_linux=no_linux)
    )
    starter = Starter(fork_server=fork_server)
    starter.program = (sys.executable, "-I", "-S", str(script))
    return starter


def test_where_no_hole_can_be_made_a_flood_is_ended_and_kept(play, make_spec, tmp_path):
    spec = make_spec(sh="exec yes", output_bytes=1 << 16)

    async def scene(engine):
        await engine.launch(spec)
        end = await engine.wait(spec.job_id)
        return end, engine.read_output(spec.job_id, "stdout", end.stdout_bytes - 2, 9)

    end, tail = play(scene, starter=poorer(tmp_path, no_linux=False))
    assert end.reason is EndReason.OUTPUT_OVERFLOW
    assert end.truncated
    assert end.stdout_bytes > 1 << 16
    assert tail == b"y\n"


@pytest.mark.parametrize("fork_server", [True, False], ids=["fork_server", "alone"])
def test_a_bare_posix_system_runs_and_cancels(play, make_spec, saw, tmp_path, monkeypatch, fork_server):
    monkeypatch.setattr("llm_gateway_engine_local.process.linux.PROC", "/nonexistent")
    monkeypatch.delattr(os, "pidfd_open")
    quick = make_spec(sh="echo hello; (trap '' TERM; sleep 100) & exit 3")
    slow = make_spec(sh="trap '' TERM; echo ready; sleep 100", end_steps=(EndStep(grace_s=0.1),))

    async def scene(engine):
        await engine.launch(quick)
        first = await engine.wait(quick.job_id)
        await engine.launch(slow)
        await saw(engine, slow.job_id, b"ready")
        view = engine.view(slow.job_id)
        await engine.cancel(slow.job_id)
        return first, view, await engine.wait(slow.job_id)

    first, view, second = play(scene, starter=poorer(tmp_path, no_linux=True, fork_server=fork_server), inotify=False)
    assert (first.reason, first.exit_code) == (EndReason.EXITED, 3)
    assert view.alive
    assert view.rss_bytes is None
    assert (second.reason, second.signal) == (EndReason.CANCELED, signal.SIGKILL)


def test_a_bare_posix_system_settles_a_vanished_run(play, make_spec, saw, tmp_path, monkeypatch):
    monkeypatch.setattr("llm_gateway_engine_local.process.linux.PROC", "/nonexistent")
    monkeypatch.delattr(os, "pidfd_open")
    spec = make_spec(sh="echo ready; sleep 100 & sleep 100")

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        view = engine.view(spec.job_id)
        os.kill(view.shim_pid, signal.SIGKILL)
        end = await engine.wait(spec.job_id)
        return end, identify(view.pid)

    end, agent = play(scene, starter=poorer(tmp_path, no_linux=True), inotify=False)
    assert end.reason is EndReason.VANISHED
    assert agent is None or not agent.is_alive()


def test_without_pidfds_another_gateway_waits_for_the_lock(play, make_spec, saw, home, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    os.mkfifo(tmp_path / "fifo")
    spec = make_spec(sh="echo ready; read line < fifo; exit 6")

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        other = LocalEngine(home)
        await other.aopen()
        codes = []

        async def wait():
            codes.append((await other.wait(spec.job_id)).exit_code)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
            with anyio.move_on_after(0.1):
                await other.wait(spec.job_id)
            await anyio.to_thread.run_sync(lambda: (tmp_path / "fifo").write_text("go\n"))
        await other.aclose()
        return codes

    assert play(scene) == [6, 6]
