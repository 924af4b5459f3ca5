"""`llm-gateway review`, run as a user, a git hook or CI runs it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from llm_gateway import ProviderInfo
from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_review.command import ready_reviewers
from llm_gateway_extension_review.commands import options
from tests.busy import pause
from tests.integration.gateway.reviewing import Script, finding, said
from tests.integration.gateway.world import Home

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def script(home: Home, repository: Path) -> Script:
    (repository / "code.py").write_text("two\n")
    return Script(home)


def run(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*home.python, "-m", "llm_gateway.cli", "review", *words],
        env=home.env,
        cwd=home.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("answer", "more", "code", "words"),
    [
        (said("APPROVED"), (), 0, "Approved. 1 of 1 approve"),
        (said("APPROVED_WITH_CONDITIONS"), (), 0, "Approved with conditions."),
        (said("APPROVED_WITH_CONDITIONS"), ("--strict",), 1, "Approved with conditions."),
        (said("NOT_APPROVED", finding()), (), 1, "[high] code.py:1: The answer is wrong (echo)"),
        ("I like it", (), 5, "no verdict line"),
        (said("NOT_APPROVED", finding()), ("--format", "github"), 1, "::error file=code.py,line=1"),
        (said("APPROVED"), ("--json",), 0, '"verdict": "APPROVED"'),
    ],
    ids=["approved", "conditions", "strict", "not approved", "no verdict", "github", "json"],
)
def test_the_exit_code_is_the_verdict(
    home: Home, script: Script, answer: str, more: tuple[str, ...], code: int, words: str
) -> None:
    script.say("review", answer)
    done = run(home, "--with", "echo", *more)
    assert done.returncode == code, done.stderr
    assert words in done.stdout


def test_nothing_to_review_lets_a_push_pass_and_wrong_usage_does_not(home: Home, script: Script) -> None:
    assert run(home, "HEAD..HEAD", "--with", "echo").returncode == 0
    for wrong in ((), ("--with", "nobody"), ("nowhere", "--with", "echo"), ("--with", "echo", "--rounds", "2")):
        done = run(home, *wrong)
        assert done.returncode == 2, done.stderr
        assert "llm-gateway: " in done.stderr
    assert script.started == []


@pytest.mark.anyio
async def test_without_names_the_agents_that_are_logged_in_review(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    logins = {"echo": "yes"}

    async def look(info: ProviderInfo, *_: object) -> dict[str, object]:
        return {"name": info.name, "installed": True, "login": logins.get(info.name, "unknown")}

    monkeypatch.setattr("llm_gateway_extension_review.command.look_at_provider", look)
    async with home.open() as caller:
        assert await ready_reviewers(caller.gateway, besides=None) == ["echo"]
        assert await ready_reviewers(caller.gateway, besides="echo:echo-1") == ["echo"], "nobody else is there"
        logins.clear()
        with pytest.raises(InvalidRequest, match="--with"):
            await ready_reviewers(caller.gateway, besides=None)


def test_it_is_mended_until_they_approve(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding()), said("APPROVED"))
    script.say("fix", {"text": "mended", "write": {"code.py": "right\n"}}, model="echo-1-mini")
    done = run(home, "--with", "echo", "--fix-with", "echo:echo-1-mini", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"], told["round"]) == (0, "APPROVED", 2)
    assert (home.work / "code.py").read_text() == "right\n"


def test_it_works_as_a_check_before_a_push(home: Home, script: Script, tmp_path: Path) -> None:
    quiet = {**home.env, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *who, *words], cwd=home.work, env=quiet, capture_output=True, text=True, check=False
        )

    git("init", "--bare", "-q", str(tmp_path / "far"))
    git("remote", "add", "origin", str(tmp_path / "far"))
    assert git("push", "-qu", "origin", "HEAD").returncode == 0
    hook = home.work / ".git" / "hooks" / "pre-push"
    hook.write_text(
        f"#!/bin/sh\nexec {sys.executable} -m llm_gateway.cli review '@{{upstream}}...HEAD' --with echo </dev/null\n"
    )
    hook.chmod(0o700)
    git("commit", "-qam", "second")
    script.say("review", said("NOT_APPROVED", finding()), said("APPROVED"))
    refused = git("push", "-q")
    assert refused.returncode != 0, refused.stderr
    assert "-one\n+two" in script.prompt("review")
    assert git("push", "-q").returncode == 0


@pytest.mark.anyio
async def test_who_goes_away_finds_the_review_again(home: Home, script: Script) -> None:
    gate = script.gate("gate")
    script.say("review", {"text": said("APPROVED"), "gate": str(gate)})
    command = [*home.python, "-m", "llm_gateway.cli", "review", "--with", "echo"]
    async with await anyio.open_process(command, env=home.env, cwd=home.work, stdin=subprocess.DEVNULL) as process:
        with anyio.fail_after(30):
            while not script.started:
                await pause()
            process.send_signal(signal.SIGINT)
            assert process.stderr
            told = b"".join([piece async for piece in process.stderr]).decode()
            assert await process.wait() == 130
    assert "--id rv-" in told
    await anyio.to_thread.run_sync(gate.write_text, "")
    done = await anyio.to_thread.run_sync(run, home, "--id", told.split()[-1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Approved.")
    assert len(script.started) == 1


def test_the_manual_names_every_option_of_the_review_command() -> None:
    parser = argparse.ArgumentParser()
    options(parser)
    page = (ROOT / "docs/reference/command-line.md").read_text("utf-8").partition("## `llm-gateway review")[2]
    section = page.partition("\n## ")[0]
    flags = [
        flag for action in parser._actions for flag in action.option_strings if flag[:2] == "--" and flag != "--help"
    ]
    assert [flag for flag in flags if flag not in section] == []
