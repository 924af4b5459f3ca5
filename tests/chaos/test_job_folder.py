"""An agent that does whatever it likes to its own job's folder, while it runs and afterwards.

Every attack is carried out on the folder of a real run behind `llm-gateway serve`. Whatever it is, each call is answered in bounded
time, files and processes outside are untouched, and the job comes to an end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from tests.chaos.attacked import (
    AGENT,
    ENDED,
    FORGED_EXIT,
    Attacked,
    Steps,
    as_deep_json,
    as_directory,
    as_fifo,
    as_hard_link,
    as_huge_file,
    as_link,
    as_link_to_a_directory,
    as_noise,
    ask_everything,
    attacks,
    carry_out,
    end_of,
)


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user that has nothing to do with any run."""
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as process:
        yield process
        assert process.poll() is None, "a stranger's process was ended"
        process.kill()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Attacked]:
    world = Attacked(tmp_path)
    yield world
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with suppress(OSError):
            if os.fsencode(f"{tmp_path}/") in Path(f"/proc/{pid}/environ").read_bytes():
                os.kill(pid, signal.SIGKILL)


FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES") or 6),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def test_lesson_106_no_attack_leads_elsewhere_or_holds_anybody_up(
    world: Attacked, victim: subprocess.Popen[bytes]
) -> None:
    with world.gateway() as client:

        @FUZZ
        @given(steps=attacks(), later=attacks())
        @example(steps=[("exit.json", FORGED_EXIT), ("state.json", {})], later=[("exit.json", as_directory)])
        @example(
            steps=[("lock", as_fifo), ("request.json", as_fifo), ("stdout", as_fifo)], later=[("reply.txt", as_fifo)]
        )
        @example(steps=[("cancel", as_link), ("lock", as_link), ("files", as_link)], later=[("reply.txt", as_link)])
        @example(
            steps=[("exit.json", FORGED_EXIT), ("lock", as_link_to_a_directory)], later=[("exit.json", FORGED_EXIT)]
        )
        @example(steps=[("stdout", as_hard_link), ("exit.json", as_directory)], later=[("stdout", as_huge_file)])
        def play(steps: Steps, later: Steps) -> None:
            job = world.start(client)
            carry_out(world, world.job(job), steps, victim.pid)
            assert ask_everything(client, job) == "running", "what the agent writes of its end counts for nothing"
            client.call("llm_job_cancel", {"jobId": job})
            assert end_of(client, job) in ENDED
            carry_out(world, world.job(job), later, victim.pid)
            assert ask_everything(client, job) in ENDED
            assert world.picture() == world.before
            assert victim.poll() is None

        play()


def test_who_takes_over_an_attacked_job_ends_it(world: Attacked, victim: subprocess.Popen[bytes]) -> None:
    with world.gateway() as other:

        @FUZZ
        @given(steps=attacks())
        @example(steps=[("exit.json", FORGED_EXIT), ("state.json", {})])
        @example(
            steps=[
                ("exit.json", {**FORGED_EXIT, "ended_at": "9999-12-31T23:59:59+00:00", "holes": {"stdout": [0, 2**62]}})
            ]
        )
        @example(steps=[("state.json", {"started_at": -1}), ("request.json", as_deep_json)])
        @example(steps=[("lock", as_hard_link), ("spec.json", as_noise)])
        def play(steps: Steps) -> None:
            with world.gateway() as client:
                job = world.start(client)
                shim = json.loads((world.job(job) / "state.json").read_bytes())["shim"]["pid"]
                for pid in (client.pid, shim):
                    os.kill(pid, signal.SIGSTOP)
                carry_out(world, world.job(job), steps, victim.pid)
                for pid in (client.pid, shim):
                    os.kill(pid, signal.SIGKILL)
            assert end_of(other, job) in ENDED
            assert ask_everything(other, job) in ENDED
            assert world.picture() == world.before
            assert victim.poll() is None

        play()


@pytest.mark.parametrize("instead", ["nothing", "empty folder", "copy", "link", "file"])
def test_a_run_whose_folder_is_taken_away_ends_and_is_never_started_again(world: Attacked, instead: str) -> None:
    starts = world.folder / "starts"
    (world.folder / "agent").write_text(AGENT.replace("printf", f'echo "$LLM_GATEWAY_JOB" >> "{starts}"\nprintf', 1))
    with world.gateway() as client:
        job = world.start(client)
        folder = world.job(job)
        agent = json.loads((folder / "state.json").read_bytes())["agent"]["pid"]
        away = world.folder / "away"
        folder.rename(away)
        if instead == "empty folder":
            folder.mkdir()
        elif instead == "copy":
            shutil.copytree(away, folder, ignore=lambda *_: ["state.json", "exit.json", "lock"])
        elif instead == "link":
            folder.symlink_to(world.outside)
        elif instead == "file":
            folder.touch()
        ask_everything(client, job)
        os.kill(agent, signal.SIGKILL)
        assert end_of(client, job) in ("interrupted", "failed")
        ask_everything(client, job)
    assert starts.read_text().split() == [job]  # a look at its version has no job
    assert world.picture() == world.before


def test_after_gateway_shim_and_agent_are_killed_together_the_first_look_is_right_and_soon(world: Attacked) -> None:
    with world.gateway() as client:
        job = world.start(client)
        state = json.loads((world.job(job) / "state.json").read_bytes())
        for pid in (client.pid, state["shim"]["pid"], state["agent"]["pid"]):
            os.kill(pid, signal.SIGKILL)
    with world.gateway() as client:
        client.call("llm_process_health", {})  # what is imported by the first call, is
        found, took = client.call("llm_job_status", {"jobId": job})
    assert found["job"]["status"] == "interrupted"
    assert took < 1.0


def test_a_peer_sees_at_the_first_look_that_all_were_killed(world: Attacked) -> None:
    with world.gateway() as other:
        other.call("llm_process_health", {})
        with world.gateway() as client:
            job = world.start(client)
            state = json.loads((world.job(job) / "state.json").read_bytes())
            for pid in (client.pid, state["shim"]["pid"], state["agent"]["pid"]):
                os.kill(pid, signal.SIGKILL)
        found, took = other.call("llm_job_status", {"jobId": job})
    assert found["job"]["status"] == "interrupted"
    assert took < 1.0
