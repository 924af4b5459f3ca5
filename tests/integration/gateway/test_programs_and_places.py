"""How programs are started, where, and by which store: what must not depend on the place."""

from __future__ import annotations

import os
import select
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from llm_gateway.cli.versions import run_briefly
from llm_gateway.errors import NotInstalled
from tests.integration.gateway.world import Home, refused

pytestmark = pytest.mark.anyio

ODD = """a b'c"d&e;$(touch x)%PATH%^!"""


async def test_lesson_37_a_program_that_was_only_asked_leaves_no_process_though_it_ignores_every_request(
    tmp_path: Path,
) -> None:
    """We hold no agent in a long conversation by ACP; what we start beside the runs is asked a question, and ended."""
    held = tmp_path / "held"
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    try:
        stubborn = f"exec 9>{held}; trap '' TERM INT HUP; (exec sleep 300) & echo x >&9; "
        for last, code in (("wait", None), ("echo 1.2.3", 0)):
            with pytest.raises(TimeoutError) if code is None else nullcontext():
                told = await run_briefly(["/bin/sh", "-c", stubborn + last], dict(os.environ), timeout_s=2.0)
                assert told == (code, "1.2.3\n")
            assert os.read(reader, 10) == b"x\n"
            over = select.poll()
            over.register(reader, 0)  # nothing but that nobody holds the other end any more
            assert over.poll(10_000) == [(reader, select.POLLHUP)]
    finally:
        os.close(reader)


async def test_lesson_40_no_shell_stands_between_and_a_program_that_goes_away_is_told_from_one_that_fails(
    home: Home,
) -> None:
    """As far as POSIX shows what went wrong on Windows: quoting, the right kind of error, a program that is replaced."""
    folder = home.work / ODD
    folder.mkdir()
    program = folder / f"echo {ODD[:3]}"
    real = Path(sys.executable).with_name("llm-gateway-echo")
    program.write_text(f'#!/bin/sh\nexec "{real}" "$@"\n')
    program.chmod(0o755)
    home.set(providers__echo__executable=program)
    async with home.open() as caller:
        first = await caller.ask(ODD, workingDir=str(folder), model=None)
        new = program.with_name("new")
        new.write_text('#!/bin/sh\necho \'{"type": "result", "text": "I am newer"}\'\n')
        new.chmod(0o755)
        new.replace(program)
        second = await caller.ask(ODD, workingDir=str(folder))
        program.unlink()
        await refused(NotInstalled, caller.ask("gone"))
    assert first["text"] == f"echo: {ODD}"
    assert (second["text"], second["deduplicated"]) == ("I am newer", False)
    assert os.listdir(folder) == []


async def test_lesson_41_without_a_directory_a_run_happens_where_the_gateway_was_started_and_that_is_told(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never where the gateway itself is installed."""
    started = tmp_path / "project"
    started.mkdir()
    monkeypatch.chdir(started)
    async with home.open() as caller:
        told = await caller.ask("PWD", scenario="env", workingDir=None)
        (session,) = (await caller.call("session_list"))["sessions"]
        job = (await caller.jobs())[0]
    assert (session["workingDir"], job["workingDir"]) == (str(started), str(started)), (session, job, told)


@pytest.mark.parametrize("url", ["", "memory://"], ids=["sqlite", "memory"])
async def test_lesson_44_what_the_state_of_a_working_tree_decides_does_not_depend_on_the_store(
    home: Home, repository: Path, url: str
) -> None:
    if url:
        home.env["LLM_GATEWAY_STORE_URL"] = url
    async with home.open() as caller:
        first = await caller.ask("review")
        same = await caller.ask("review")
        (repository / "code.py").write_text("two\n")
        changed = await caller.ask("review")
        offered = set(caller.gateway.operations)
    assert (same["jobId"], same["deduplicated"]) == (first["jobId"], True)
    assert (changed["deduplicated"], changed["jobId"] != first["jobId"]) == (False, True)
    assert {"echo_request", "session_list", "llm_job_wait", "approval_list"} <= offered
