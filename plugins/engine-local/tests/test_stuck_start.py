"""An agent that never executes its program: it is stopped between fork and exec, or its file is on a disk that does not answer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import llm_gateway_engine_local
from llm_gateway.model.invocation import EndReason
from llm_gateway.model.provider import EndStep
from llm_gateway_engine_local.shim.starter import Starter

STUCK = """
import os, signal, sys
sys.path += [{engine!r}, *sys.argv[3:]]
from llm_gateway_engine_local.shim import shim, fork_server
become = shim.become_agent
def stop_first(argv, env, cwd, streams, gate):
    os.setsid()
    os.read(gate, 1)
    os.kill(os.getpid(), signal.SIGSTOP)
    become(argv, env, cwd, streams, gate)
shim.become_agent = stop_first
fork_server.main(sys.argv[1], int(sys.argv[2]))
"""


@pytest.fixture
def stuck(tmp_path):
    script = tmp_path / "stuck.py"
    script.write_text(STUCK.format(engine=str(Path(llm_gateway_engine_local.__file__).parent.parent)))
    starter = Starter()
    starter.program = (sys.executable, "-I", "-S", str(script))
    return starter


@pytest.mark.parametrize("reason", [EndReason.CANCELED, EndReason.TIMEOUT])
def test_a_run_whose_agent_is_stopped_before_its_program_begins_can_be_ended(play, make_spec, stuck, reason):
    timeout_s = 60 if reason is EndReason.CANCELED else 0.5
    spec = make_spec(sh="echo never", timeout_s=timeout_s, end_steps=(EndStep(grace_s=0.1),))

    async def scene(engine):
        await engine.launch(spec)
        async for _ in engine.changes(spec.job_id):
            if engine.view(spec.job_id).pid:
                break
        if reason is EndReason.CANCELED:
            await engine.cancel(spec.job_id)
        return await engine.wait(spec.job_id), engine.read_output(spec.job_id, "stdout", 0, 99)

    end, output = play(scene, starter=stuck)
    assert (end.reason, output) == (reason, b"")
