"""Systems without pidfds, or whose files cannot have holes. The portable implementations run the whole suite: `.ci/run portable`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

import llm_gateway_engine_local
from llm_gateway.model.invocation import EndReason
from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_engine_local.shim.starter import Starter

WITHOUT_HOLES = """
import os, sys
sys.path += [{engine!r}, *sys.argv[3:]]
from llm_gateway_engine_local.shim import fork_server
from llm_gateway_engine_local.spool import output
output.punch = lambda *_: False
fork_server.main(sys.argv[1], int(sys.argv[2]))
"""


@pytest.fixture
def without_holes(tmp_path: Path) -> Starter:
    script = tmp_path / "without_holes.py"
    script.write_text(WITHOUT_HOLES.format(engine=str(Path(llm_gateway_engine_local.__file__).parent.parent)))
    starter = Starter()
    starter.program = (sys.executable, "-I", "-S", str(script))
    return starter


def test_where_no_hole_can_be_made_a_flood_is_ended_and_kept(play, make_spec, without_holes):
    spec = make_spec(sh="exec yes", output_bytes=1 << 16)

    async def scene(engine):
        await engine.launch(spec)
        end = await engine.wait(spec.job_id)
        return end, engine.read_output(spec.job_id, "stdout", end.stdout_bytes - 2, 9)

    end, tail = play(scene, starter=without_holes)
    assert end.reason is EndReason.OUTPUT_OVERFLOW
    assert end.truncated
    assert end.stdout_bytes > 1 << 16
    assert tail == b"y\n"


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
