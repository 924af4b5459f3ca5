"""How a run is ended, and that no process of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import anyio
import anyio.lowlevel
import pytest

from llm_gateway.model.invocation import EndReason
from llm_gateway.model.provider import EndStep
from llm_gateway_engine_local.process.identity import Identity, identify
from llm_gateway_engine_local.shim import ending

DETACH = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
        os.write(1, b'pid %d\\n' % os.getpid())
        time.sleep(100)
    os._exit(0)
"""


def pid_in(output: bytes) -> int:
    return int(output.split(b"pid ")[1].split()[0])


def test_lesson_1_output_that_the_agent_writes_after_the_end_signal_is_kept(play, make_spec, saw, starter):
    spec = make_spec(
        py="import signal,sys,time\n"
        "def bye(*_):\n time.sleep(.7); print('last words'); sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, bye); print('ready'); signal.pause()"
    )

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        await engine.cancel(spec.job_id)
        end = await engine.wait(spec.job_id)
        return end, engine.read_output(spec.job_id, "stdout", 0, 99)

    end, output = play(scene, starter=starter)
    assert (end.reason, end.exit_code) == (EndReason.CANCELED, 5)
    assert output == b"ready\nlast words\n"


def test_the_steps_are_tried_in_order_and_stop_when_obeyed(play, make_spec, saw):
    spec = make_spec(
        py="import signal,sys\nsignal.signal(signal.SIGINT, lambda *_: print('int'))\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('term')))\nprint('ready')\nwhile True: signal.pause()",
        end_steps=(
            EndStep(signal=signal.SIGINT, grace_s=0.2),
            EndStep(signal=signal.SIGTERM, grace_s=20),
            EndStep(signal=signal.SIGQUIT, grace_s=20),
        ),
    )

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        await engine.cancel(spec.job_id)
        end = await engine.wait(spec.job_id)
        return end, engine.read_output(spec.job_id, "stdout", 0, 99)

    end, output = play(scene)
    assert (end.reason, end.exit_code) == (EndReason.CANCELED, 0)
    assert output == b"ready\nint\nterm\n"


def test_lesson_36_a_descendant_that_ignores_every_request_is_gone_after_a_cancel(play, make_spec, saw, gone):
    spec = make_spec(
        py=DETACH + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(100)", end_steps=(EndStep(grace_s=0.1),)
    )

    async def scene(engine):
        await engine.launch(spec)
        output = await saw(engine, spec.job_id, b"pid ")
        await engine.cancel(spec.job_id)
        end = await engine.wait(spec.job_id)
        return end, identify(pid_in(output))

    end, descendant = play(scene)
    assert (end.reason, end.signal) == (EndReason.CANCELED, signal.SIGKILL)
    assert end.killed_descendants == 1
    assert descendant is None or not descendant.is_alive()  # without a subreaper, init reaps it


def test_lesson_73_an_agent_that_is_killed_leaves_no_detached_descendant(play, make_spec, saw, starter):
    spec = make_spec(py=DETACH + "signal.pause()")

    async def scene(engine):
        await engine.launch(spec)
        output = await saw(engine, spec.job_id, b"pid ")
        os.kill(engine.view(spec.job_id).pid, signal.SIGKILL)
        end = await engine.wait(spec.job_id)
        return end, identify(pid_in(output))

    end, descendant = play(scene, starter=starter)
    assert (end.reason, end.signal) == (EndReason.EXITED, signal.SIGKILL)
    assert end.killed_descendants == 1
    assert descendant is None or not descendant.is_alive()  # without a subreaper, init reaps it


def test_lesson_2_a_run_is_over_only_when_its_last_writer_is(play, make_spec):
    spec = make_spec(sh="trap '' TERM; (sleep 0.2; echo late) & exit 0")

    async def scene(engine):
        await engine.launch(spec)
        end = await engine.wait(spec.job_id)
        return end, engine.read_output(spec.job_id, "stdout", 0, 99)

    end, output = play(scene)
    assert (end.reason, end.exit_code) == (EndReason.EXITED, 0)
    assert end.stdout_bytes == len(output)
    assert output == b"late\n"  # half a second is given to what is left


@pytest.mark.linux
def test_processes_that_fork_while_they_are_ended_do_not_survive(play, make_spec, saw):
    code = (
        "import os,signal,time\nfor n in (1,2,15): signal.signal(n, signal.SIG_IGN)\nprint('ready')\n"
        "end=time.time()+20\nwhile time.time()<end:\n if os.fork(): os._exit(0)\n os.setsid(); time.sleep(.002)"
    )
    spec = make_spec(py=code)

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        return await engine.wait(spec.job_id)

    end = play(scene)
    assert end.reason is EndReason.EXITED
    assert end.killed_descendants >= 1
    assert not end.detail


def test_the_wall_clock_ends_a_run(play, make_spec):
    spec = make_spec(sh="while true; do echo x; sleep 0.05; done", timeout_s=0.4, idle_timeout_s=5)

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    end = play(scene)
    assert end.reason is EndReason.TIMEOUT
    assert end.stdout_bytes > 4


def test_lesson_14_silence_ends_a_run_only_with_an_idle_limit(play, make_spec):
    silent = make_spec(sh="echo x; sleep 100", idle_timeout_s=0.3)
    speaking = make_spec(sh="for i in 1 2 3 4 5 6 7 8; do echo x >&2; sleep 0.1; done", idle_timeout_s=0.5)
    permitted = make_spec(sh="sleep 0.8; echo x")

    async def scene(engine):
        for spec in (silent, speaking, permitted):
            await engine.launch(spec)
        return [(await engine.wait(spec.job_id)).reason for spec in (silent, speaking, permitted)]

    assert play(scene) == [EndReason.IDLE_TIMEOUT, EndReason.EXITED, EndReason.EXITED]


def test_canceled_before_it_was_launched_it_never_starts(play, make_spec, starter, tmp_path):
    spec = make_spec(sh="touch ran")

    async def scene(engine):
        await engine.cancel(spec.job_id)
        await engine.launch(spec)
        await engine.cancel(spec.job_id)
        return await engine.wait(spec.job_id)

    assert play(scene, starter=starter).reason is EndReason.CANCELED
    assert not (tmp_path / "ran").exists()


def test_canceled_and_waited_for_before_it_was_launched_it_never_starts(play, make_spec, tmp_path):
    spec = make_spec(sh="touch ran")

    async def scene(engine):
        await engine.cancel(spec.job_id)
        first = await engine.wait(spec.job_id)
        await engine.launch(spec)
        return first, await engine.wait(spec.job_id)

    first, second = play(scene)
    assert first == second
    assert first.reason is EndReason.CANCELED
    assert not (tmp_path / "ran").exists()


def test_a_cancel_at_any_moment_of_the_start_works(play, make_spec):
    specs = [make_spec(sh="exec sleep 100") for _ in range(30)]

    async def scene(engine):
        reasons = []

        async def run(spec, steps):
            async def launch():
                await engine.launch(spec)

            async with anyio.create_task_group() as group:
                group.start_soon(launch)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                await engine.cancel(spec.job_id)
            reasons.append((await engine.wait(spec.job_id)).reason)

        for number, spec in enumerate(specs):
            await run(spec, number * 150)
        return reasons

    assert play(scene) == [EndReason.CANCELED] * 30


def test_lesson_9_another_process_can_cancel(play, make_spec, saw, home):
    spec = make_spec(sh="echo ready; exec sleep 100")
    code = (
        "import anyio,sys,pathlib\nfrom llm_gateway_engine_local.engine import LocalEngine\n"
        "async def main():\n e=LocalEngine(pathlib.Path(sys.argv[1])); await e.aopen(); await e.cancel(sys.argv[2])\n"
        " print((await e.wait(sys.argv[2])).reason.value); await e.aclose()\nanyio.run(main)"
    )

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        other = await anyio.run_process([sys.executable, "-c", code, str(home), spec.job_id])
        return other.stdout, (await engine.wait(spec.job_id)).reason

    assert play(scene) == (b"canceled\n", EndReason.CANCELED)


def test_a_sigterm_without_a_cancel_changes_nothing(play, make_spec, saw, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    spec = make_spec(sh="echo ready; read line < fifo; echo $line")

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(engine.view(spec.job_id).shim_pid, number)
        await anyio.to_thread.run_sync(lambda: (tmp_path / "fifo").write_text("go\n"))
        end = await engine.wait(spec.job_id)
        return end.reason, end.exit_code, engine.read_output(spec.job_id, "stdout", 0, 99)

    assert play(scene) == (EndReason.EXITED, 0, b"ready\ngo\n")


def test_lesson_38_no_process_is_signaled_without_its_identity():
    bystander = subprocess.Popen(["sleep", "100"])
    try:
        who = identify(bystander.pid)
        assert who
        assert who.is_alive()
        for other in (
            Identity(who.pid, "1", who.boot),
            Identity(who.pid, who.start, "another boot"),
            Identity(0, who.start, who.boot),
            Identity(1, who.start, who.boot),
            Identity(-1, who.start, who.boot),
            identify(os.getpid()),
        ):
            assert other
            assert not other.signal(signal.SIGKILL)
        for group in (0, 1, -1, os.getpgrp()):
            assert not ending.signal_group(group, signal.SIGKILL)
        assert ending.end_leftovers("job-none", Identity(who.pid, "1", who.boot)) == 0
        assert bystander.poll() is None
        assert who.signal(signal.SIGKILL)
        assert bystander.wait(10) == -signal.SIGKILL
    finally:
        bystander.kill()
        bystander.wait()


def test_lesson_13_the_end_of_a_run_is_known_at_once(play, make_spec):
    spans = []

    async def measure(engine):
        spec = make_spec(sh="exec sleep 0.2")
        await engine.launch(spec)
        end = await engine.wait(spec.job_id)
        spans.append(time.time() - end.ended_at.timestamp())

    for _ in range(3):
        play(measure)
    assert min(spans) < 0.1


def test_a_cancel_reaches_even_a_stopped_agent(play, make_spec, saw):
    spec = make_spec(sh="echo ready; exec sleep 100", end_steps=(EndStep(grace_s=0.1),))

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        os.kill(engine.view(spec.job_id).pid, signal.SIGSTOP)
        await engine.cancel(spec.job_id)
        return await engine.wait(spec.job_id)

    assert play(scene).signal in (signal.SIGKILL, signal.SIGTERM)  # it may have been asked before it stopped
