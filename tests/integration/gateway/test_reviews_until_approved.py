"""The loop of reviewing and mending, and who dies meanwhile."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.busy import pause
from tests.integration.gateway.reviewing import Script, finding, said
from tests.integration.gateway.world import Caller, Home

pytestmark = pytest.mark.anyio


@pytest.fixture
def script(home: Home, repository: Path) -> Script:
    (repository / "code.py").write_text("wrong\n")
    return Script(home)


def asking(home: Home, **more: Any) -> dict[str, Any]:
    looping = {"providers": ["echo"], "implementer": "echo:echo-1-mini", "workingDir": str(home.work)}
    return {**looping, **more}


def mending(script: Script, *contents: str, gates: list[Path] | None = None) -> None:
    gate = [{"gate": str(path)} for path in gates or ()] or [{}] * len(contents)
    turns = [{"text": "mended", "write": {"code.py": text}, **at} for text, at in zip(contents, gate, strict=True)]
    script.say("fix", *turns, model="echo-1-mini")


async def test_it_is_mended_until_the_same_reviewers_approve(home: Home, script: Script) -> None:
    no = said("NOT_APPROVED", finding("still wrong"))
    script.say("review", no, no, said("APPROVED"))
    mending(script, "better\n", "right\n")
    async with home.open() as caller:
        told = await caller.call("review_until_approved", **asking(home))
        jobs = await caller.jobs()
    assert (told["status"], told["verdict"], told["round"]) == ("completed", "APPROVED", 3)
    assert told["findings"] == []
    assert script.started == [
        "echo-1 review fresh",
        "echo-1-mini fix fresh",
        "echo-1 review resumed",
        "echo-1-mini fix resumed",
        "echo-1 review resumed",
    ]
    assert (home.work / "code.py").read_text() == "right\n"
    assert [
        next(
            line[1:] for line in script.prompt("review", number).splitlines() if line.startswith("+") and line[1] != "+"
        )
        for number in (2, 3)
    ] == ["better", "right"]
    assert "still wrong (said by echo)" in script.prompt("fix", 1, "echo-1-mini")
    assert "round 2 of at most 3" in script.prompt("review", 2)
    rules = {script.prompt("review", number).partition("\n\nReview ")[0][:1500] for number in (1, 2, 3)}
    assert len({text[:1200] for text in rules}) == 1, "the stable beginning"
    assert {job["posture"] for job in jobs} == {"read_only", "accept_edits"}
    assert told["reviewers"][0]["ownWork"] is True


async def test_after_the_last_round_a_person_must_decide(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding("still wrong")))
    mending(script, "better\n")
    async with home.open() as caller:
        told = await caller.call("review_until_approved", **asking(home, maxRounds=2))
    assert (told["status"], told["verdict"], told["round"]) == ("escalate", "NOT_APPROVED", 2)
    assert [one["title"] for one in told["findings"]] == ["still wrong"]
    assert "A person must decide." in told["report"]
    assert len(told["fixes"]) == 1


async def test_conditions_that_stay_to_the_end_are_no_escalation(home: Home, script: Script) -> None:
    script.say("review", said("APPROVED_WITH_CONDITIONS", finding("a nit", severity="low")))
    mending(script, "better\n")
    async with home.open() as caller:
        told = await caller.call("review_until_approved", **asking(home, maxRounds=2))
    assert (told["status"], told["verdict"]) == ("completed", "APPROVED_WITH_CONDITIONS")


async def test_lesson_19_a_silent_reviewer_is_asked_again_and_never_approves(home: Home, script: Script) -> None:
    """Nothing was found, so nobody mends; who has approved what did not change is not asked again."""
    script.say("review", said("APPROVED"))
    script.say("review", {"scenario": "empty"}, model="echo-1-mini")
    async with home.open() as caller:
        told = await caller.call("review_until_approved", **asking(home, providers=["echo", "echo:echo-1-mini"]))
    assert (told["status"], told["verdict"]) == ("escalate", "NO_QUORUM")
    assert [one.rpartition(" ")[0] for one in script.started].count("echo-1 review") == 1
    assert [one.rpartition(" ")[0] for one in script.started].count("echo-1-mini review") == 3
    assert not any("fix" in one for one in script.started)
    assert told["reviewers"][0]["carried"] is True


async def test_an_implementer_that_fails_ends_it(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding()))
    script.say("fix", {"scenario": "crash"}, model="echo-1-mini")
    async with home.open() as caller:
        told = await caller.call("review_until_approved", **asking(home))
    assert (told["status"], told["round"]) == ("escalate", 1)
    assert "implementer" in told["problem"]


async def test_canceling_a_job_of_the_loop_ends_it(home: Home, script: Script) -> None:
    gate = script.gate("gate")
    script.say("review", {"text": said("APPROVED"), "gate": str(gate)})
    home.set(sync_deadline_s=0.2)
    async with home.open() as caller:
        begun = await caller.call("review_until_approved", **asking(home))
        await until(caller, script, begun["reviewId"], 1)
        looked = await caller.call("review_wait", reviewId=begun["reviewId"], timeoutMs=20)
        await caller.cancel(looked["reviewers"][0]["jobId"])
        told = await caller.call("review_wait", reviewId=begun["reviewId"])
    assert told["status"] == "canceled"
    assert len(script.started) == 1


async def until(caller: Caller, script: Script, review: str, starts: int) -> None:
    """Wait until so many agents have been started."""
    with anyio.fail_after(30):
        while len(script.started) < starts:
            await caller.call("review_wait", reviewId=review, timeoutMs=20)


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4, 5], ids=["look 1", "fix 1", "look 2", "fix 2", "look 3"])
async def test_a_killed_gateway_repeats_nothing_and_loses_nothing(home: Home, script: Script, killed_at: int) -> None:
    """SIGKILL while an agent works, in each of the five turns; the next gateway goes on from there."""
    gates = [script.gate(f"gate-{number}") for number in range(1, 6)]
    no = said("NOT_APPROVED", finding("still wrong"))
    answers = [no, no, said("APPROVED")]
    script.say("review", *({"text": text, "gate": str(gates[n])} for text, n in zip(answers, (0, 2, 4), strict=True)))
    mending(script, "better\n", "right\n", gates=[gates[1], gates[3]])
    home.set(sync_deadline_s=0.1)
    async with home.peer() as peer:
        review = (await peer.call("review_until_approved", **asking(home)))["reviewId"]
        for number in range(1, killed_at):
            await until(peer, script, review, number)
            await anyio.to_thread.run_sync(gates[number - 1].write_text, "")
        await until(peer, script, review, killed_at)
        await peer.kill()
    async with home.open() as caller:
        for number in range(killed_at, 6):
            await until(caller, script, review, number)
            await anyio.to_thread.run_sync(gates[number - 1].write_text, "")
        told = await caller.call("review_wait", reviewId=review)
        jobs = await caller.jobs()
    assert (told["status"], told["verdict"], told["round"]) == ("completed", "APPROVED", 3)
    assert [one.split()[1] for one in script.started] == ["review", "fix", "review", "fix", "review"]
    assert len(jobs) == 5
    assert len({job["correlationId"] for job in jobs}) == 5
    assert (home.work / "code.py").read_text() == "right\n"


async def test_a_job_whose_id_was_not_written_down_is_found_again(
    home: Home, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway dies between having started a job and having noted it."""
    from llm_gateway_extension_review.rounds import Drive

    gate = script.gate("gate")
    script.say("review", {"text": said("APPROVED"), "gate": str(gate)})
    home.set(sync_deadline_s=0.1)
    keep = Drive._keep

    async def forgetful(self: Drive, *turns: Any) -> None:
        if any(turn.status == "running" for turn in turns):
            await anyio.sleep_forever()
        await keep(self, *turns)

    async with home.open(leave=True) as caller:
        monkeypatch.setattr(Drive, "_keep", forgetful)
        params = {"providers": ["echo"], "workingDir": str(home.work)}
        begun = await caller.call("review", **params)
        await until(caller, script, begun["reviewId"], 1)
    monkeypatch.setattr(Drive, "_keep", keep)
    async with home.open() as caller:
        await anyio.to_thread.run_sync(gate.write_text, "")
        told = await caller.call("review_wait", reviewId=begun["reviewId"])
        assert len(await caller.jobs()) == 1
    assert told["verdict"] == "APPROVED"
    assert len(script.started) == 1


async def test_a_living_gateway_goes_on_with_what_a_killed_one_has_left(home: Home, script: Script) -> None:
    gate = script.gate("gate")
    script.say("review", {"text": said("APPROVED"), "gate": str(gate)})
    home.set(sync_deadline_s=0.1)
    params = {"providers": ["echo"], "workingDir": str(home.work)}
    async with home.open() as caller:
        async with home.peer() as peer:
            review = (await peer.call("review", **params))["reviewId"]
            await until(peer, script, review, 1)
            assert (await caller.call("review_wait", reviewId=review, timeoutMs=10))["status"] == "deferred"
            await peer.kill()
        await anyio.to_thread.run_sync(gate.write_text, "")
        told = await caller.call("review_wait", reviewId=review)
    assert told["verdict"] == "APPROVED"


async def test_what_is_kept_of_a_review_is_for_its_user_alone_and_goes_with_the_jobs(
    home: Home, script: Script
) -> None:
    script.say("review", said("APPROVED"))
    params = {"providers": ["echo"], "workingDir": str(home.work)}
    async with home.open() as caller:
        told = await caller.call("review", **params)
    folder = home.path / "reviews" / told["reviewId"]
    assert {path.name for path in folder.iterdir()} == {
        "state.json",
        "text.txt",
        "evidence-1.txt",
        "answer-1-review-echo.md",
    }
    for path in (folder, *folder.iterdir(), folder.parent, folder.parent / ".open"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert list((folder.parent / ".open").iterdir()) == []
    os.utime(folder, (0, 0))
    async with home.open() as caller:
        with anyio.fail_after(10):
            await caller.call("ask_many", providers=["echo"], prompt="Hello")
            while folder.exists():
                await pause()
