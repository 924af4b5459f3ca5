"""What a repository does to hide a change from its reviewers: each attack over MCP, against the whole program.

The change holds the word EVIL. It is in what the reviewer was sent, or it is named in the notes and beside the verdict.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client

from tests.integration.gateway.hostile_repositories import (
    EVIL,
    NAMED,
    NAMES,
    SHOWN,
    Repo,
    a_submodule_that_leads_elsewhere,
    with_names,
)
from tests.integration.gateway.reviewing import Script, said
from tests.integration.gateway.world import Home

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
Review = Callable[..., Any]


@pytest.fixture(scope="session")
def python() -> tuple[str, ...]:
    """What a repository plants may be found while an interpreter starts, so each one starts."""
    return (sys.executable,)


@pytest.fixture
def repo(home: Home) -> Repo:
    return Repo(home.work)


@asynccontextmanager
async def reviewing(home: Home) -> AsyncIterator[Review]:
    """A client of the protocol: what the reviewer was sent, what the client was told, and in which words."""
    script = Script(home)
    script.say("review", said("APPROVED"))
    command = StdioServerParameters(
        command=home.python[0],
        args=[*home.python[1:], "-m", "llm_gateway.cli", "serve"],
        env=home.env,
        cwd=str(home.path.parent),
    )
    with (home.path.parent / "log").open("a") as log, anyio.fail_after(300):
        async with Client(stdio_client(command, errlog=log)) as client:

            async def review(top: Path, **more: Any) -> tuple[str, dict[str, Any], str]:
                before = len(script.started)
                told = await client.call_tool("review", {"providers": ["echo"], "workingDir": str(top), **more})
                words = told.content[0].text  # type: ignore[union-attr]
                if told.is_error:
                    assert len(script.started) == before
                    return "", {}, words
                assert told.structured_content
                prompt = script.prompt("review", before + 1)
                return prompt[prompt.index("=== EVIDENCE BEGINS") :], told.structured_content, words

            yield review


def attacked(home: Home, attacks: dict[str, Callable[[Repo], None]]) -> dict[str, Repo]:
    """A repository for each attack, in which it has been made."""
    repos = {}
    for number, (name, attack) in enumerate(attacks.items()):
        folder = home.work / str(number)
        folder.mkdir()
        repos[name] = Repo(folder / "repo")
        attack(repos[name])
    return repos


async def test_lesson_99_the_repository_does_not_decide_what_its_reviewer_sees(home: Home) -> None:
    hidden = []
    async with reviewing(home) as review:
        for name, repo in attacked(home, SHOWN).items():
            evidence, _, _ = await review(repo.top)
            if "EVIL" not in evidence:
                hidden.append(name)
    assert hidden == []


async def test_what_cannot_be_shown_is_named_in_the_notes_and_beside_the_verdict(home: Home) -> None:
    concealed = []
    async with reviewing(home) as review:
        for name, repo in attacked(home, NAMED).items():
            _, told, words = await review(repo.top)
            verdict = words.splitlines()[0]
            named = any("EVIL" in note for note in told.get("notes", ())) and "EVIL" in verdict
            if not named or "Not reviewed: " not in verdict:
                concealed.append((name, verdict))
    assert concealed == []


async def test_a_submodule_that_leads_into_another_repository_is_named_and_not_followed(home: Home, repo: Repo) -> None:
    a_submodule_that_leads_elsewhere(repo)
    async with reviewing(home) as review:
        evidence, told, _ = await review(repo.top)
    assert any(f"{repo.top.parent / 'other'}/.git" in note or "another repository" in note for note in told["notes"])
    assert "+two" in evidence


async def test_in_a_range_attributes_and_encodings_hide_nothing_either(home: Home, repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    repo.write(".gitattributes", "*.py -diff\n")
    repo.write("code.py", EVIL)
    repo.write("wide.py", ("\ufeff" + EVIL).encode("utf-16-le"))
    repo.write("data.bin", bytes(range(256)))
    repo.commit()
    repo.write(".git/info/attributes", "* binary\n")
    async with reviewing(home) as review:
        evidence, told, _ = await review(repo.top, range=f"{base}..HEAD")
    assert evidence.count("+EVIL") == 2
    assert any("data.bin" in note for note in told["notes"])


async def test_a_file_that_is_ignored_is_reviewed_when_it_is_named(home: Home, repo: Repo) -> None:
    repo.write(".gitignore", "secret.py\n")
    repo.write("secret.py", ("\ufeff" + EVIL).encode("utf-16-le"))
    (repo.top / "link.py").symlink_to("code.py")
    async with reviewing(home) as review:
        evidence, told, _ = await review(repo.top, files=["secret.py", "link.py"])
    assert "=== secret.py\none\nEVIL" in evidence
    assert any("link.py" in note for note in told["notes"])


async def test_no_name_of_a_file_forges_a_heading(home: Home) -> None:
    forged = []
    async with reviewing(home) as review:
        for what, repo in attacked(home, {what: with_names(name) for what, name in NAMES.items()}).items():
            evidence, told, words = await review(repo.top)
            diffs = evidence.count("\ndiff --git ")
            headings = sum(line.startswith("=== ") and "EVIDENCE" not in line for line in evidence.splitlines())
            odd = {letter for text in (evidence, words, *told["notes"]) for letter in text} & set(
                "\x1b\u202e\u2028\u200b\r"
            )
            if (diffs, headings, odd, "+EVIL" in evidence) != (1, 2, set(), True):
                forged.append((what, diffs, headings, odd))
    assert forged == []


async def test_a_git_file_or_link_into_another_repository_is_refused(home: Home, repo: Repo) -> None:
    other = Repo(home.path.parent / "other")
    (repo.top / ".git").rename(repo.top / ".gone")
    refusals = []
    async with reviewing(home) as review:
        repo.write(".git", f"gitdir: {other.top}/.git\n")
        refusals.append(await review(repo.top))
        (repo.top / ".git").unlink()
        (repo.top / ".git").symlink_to(other.top / ".git")
        refusals.append(await review(repo.top))
    for evidence, _, words in refusals:
        assert not evidence
        assert words.startswith("invalid_request: ")
        assert f"{repo.top / '.git'} " in words


async def test_a_linked_worktree_that_points_back_is_reviewed(home: Home, repo: Repo) -> None:
    linked = home.path.parent / "linked"
    repo.git("worktree", "add", "-q", str(linked))
    (linked / "code.py").write_text(EVIL)
    async with reviewing(home) as review:
        evidence, _, _ = await review(linked)
    assert "+EVIL" in evidence
