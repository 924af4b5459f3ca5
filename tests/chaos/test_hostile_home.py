"""What others on the machine can see, and what lies in the way of a job's files."""

from __future__ import annotations

import os
import stat

import pytest

from tests.chaos.driven import ask
from tests.chaos.scenes import check_ran_once, leave, open_all, start
from tests.chaos.world import World


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
def test_lesson_47_nothing_in_the_home_is_open_to_others_whatever_the_umask(world: World, umask: int) -> None:
    world.home.rmdir()
    above = world.folder / "not" / "there"
    world.home = above / "home"
    world.env["LLM_GATEWAY_HOME"] = str(world.home)
    before = os.umask(umask)
    try:
        (gateway,) = open_all(world, 1)
    finally:
        os.umask(before)
    jobs = start(world, gateway, *"ab", scenario="steps")
    ask(gateway, "llm_job_wait", jobIds=jobs)
    check_ran_once(world, gateway, *jobs)
    entries = [above.parent, above, world.home, *world.home.rglob("*")]
    assert len(entries) > 10
    assert [path for path in entries if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []
    leave(world, gateway)


@pytest.mark.parametrize("name", ["stdout", "reply.txt"])
def test_a_symlink_planted_in_a_jobs_folder_leads_nobody_elsewhere(world: World, name: str) -> None:
    (gateway,) = open_all(world, 1)
    (job,) = start(world, gateway, "hello")
    ask(gateway, "llm_job_wait", jobIds=[job])
    secret = world.folder / "secret"
    secret.write_text("canary of a secret")
    planted = world.home / "jobs" / job / name
    planted.unlink()
    planted.symlink_to(secret)
    for arguments in ({}, {"raw": "stdout"}):
        number = gateway.call("llm_job_result", jobId=job, **arguments)
        while number not in gateway.answers and not gateway.ended:
            ask(gateway, "llm_process_health")
        assert "canary" not in str(gateway.answers[number][0])
    assert secret.read_text() == "canary of a secret"
    planted.unlink()
    leave(world, gateway)
