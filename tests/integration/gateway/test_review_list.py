"""Which reviews there are: as a tool, and as a command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.errors import InvalidRequest
from tests.integration.gateway.reviewing import Script, finding, said
from tests.integration.gateway.world import Home, refused

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def script(home: Home, repository: Path) -> Script:
    (repository / "code.py").write_text("two\n")
    return Script(home)


def asking(home: Home, **more: Any) -> dict[str, Any]:
    return {"providers": ["echo"], "workingDir": str(home.work), **more}


def run(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*home.python, "-m", "llm_gateway.cli", "review", "list", *words],
        env=home.env,
        cwd=home.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_reviews_are_listed_newest_first_and_everybody_sees_their_own(home: Home, script: Script) -> None:
    script.say("review", said("APPROVED"), said("NOT_APPROVED", finding()))
    script.say("ask", "I think so.")
    async with home.open() as caller:
        first = await caller.call("review", **asking(home))
        second = await caller.call("review", **asking(home, files=["code.py"]))
        third = await caller.call("ask_many", **asking(home, prompt="Is it\n\x1b[31msafe?"))
        hers = await caller.other("her").call("review", **asking(home, text="a plan"))
        listed = (await caller.call("review_list"))["reviews"]
        newest = (await caller.call("review_list", limit=1))["reviews"]
        her_list = (await caller.other("her").call("review_list"))["reviews"]
        nobody = (await caller.other("nobody").call("review_list"))["reviews"]
        await refused(InvalidRequest, caller.call("review_list", limit=0))
    assert [one["reviewId"] for one in listed] == [one["reviewId"] for one in (third, second, first)]
    assert [one["subject"] for one in listed] == ["Is it safe?", "1 file: code.py", "the uncommitted changes"]
    assert [one.get("verdict") for one in listed] == [None, "NOT_APPROVED", "APPROVED"]
    assert {(one["status"], one["workingDir"]) for one in listed} == {("completed", str(home.work))}
    assert all(one["startedAt"] <= one["endedAt"] for one in listed)
    assert newest == listed[:1]
    assert [(one["reviewId"], one["subject"]) for one in her_list] == [(hers["reviewId"], "a plan")]
    assert nobody == []


async def test_a_review_that_goes_on_is_listed_as_such(home: Home, script: Script) -> None:
    gate = script.gate("gate")
    script.say("review", {"text": said("APPROVED"), "gate": str(gate)})
    home.set(sync_deadline_s=1)
    async with home.open() as caller:
        going = await caller.call("review", **asking(home))
        (listed,) = (await caller.call("review_list"))["reviews"]
        gate.write_text("")
        await caller.call("review_wait", reviewId=going["reviewId"])
        (after,) = (await caller.call("review_list"))["reviews"]
    assert (listed["status"], "endedAt" in listed, "verdict" in listed) == ("deferred", False, False)
    assert (after["status"], after["verdict"]) == ("completed", "APPROVED")


async def test_the_command_shows_a_table_or_json(home: Home, script: Script) -> None:
    assert run(home).stdout.strip() == "no reviews"
    script.say("review", said("NOT_APPROVED", finding()))
    async with home.open() as caller:
        told = await caller.call("review", **asking(home))
    head, line = run(home).stdout.splitlines()
    assert head.split() == ["REVIEW", "STATE", "VERDICT", "AGE", "SUBJECT"]
    for words in (told["reviewId"], "completed", "NOT_APPROVED", "the uncommitted changes"):
        assert words in line
    (one,) = json.loads(run(home, "--json", "--limit", "3").stdout)["reviews"]
    assert (one["reviewId"], one["verdict"]) == (told["reviewId"], "NOT_APPROVED")
    for wrong in (("--limit", "0"), ("--format", "sarif")):
        assert run(home, *wrong).returncode == 2
