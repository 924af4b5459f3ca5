"""Lesson 102, over MCP: a request in a hostile repository runs nothing that the repository names. The program itself is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.cli.test_serve import HELLO, talk
from tests.repositories import git, make_repository

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def python() -> tuple[str, ...]:
    """What a repository plants may be found while an interpreter starts, so each one starts."""
    return (sys.executable,)


def with_filter(config: Path, planted: Path, name: str, kind: str = "clean") -> None:
    with config.open("a") as file:
        file.write(f'[filter "{name}"]\n\t{kind} = {planted}\n\trequired = true\n')


def named_filter(repository: Path, planted: Path) -> None:
    with_filter(repository / ".git/config", planted, "a=b")
    (repository / ".gitattributes").write_text("file filter=a=b\n")


def process_filter(repository: Path, planted: Path) -> None:
    with_filter(repository / ".git/config", planted, "evil", "process")
    (repository / ".gitattributes").write_text("file filter=evil\n")


def worktree_config(repository: Path, planted: Path) -> None:
    git(repository, "config", "extensions.worktreeConfig", "true")
    with_filter(repository / ".git/config.worktree", planted, "evil")
    git(repository, "config", "--worktree", "core.fsmonitor", str(planted))
    (repository / ".gitattributes").write_text("file filter=evil\n")


def included_config(repository: Path, planted: Path) -> None:
    with_filter(repository / "more", planted, "evil")
    git(repository, "config", "include.path", "../more")
    (repository / ".gitattributes").write_text("file filter=evil\n")


def submodule_config(repository: Path, planted: Path) -> None:
    git(repository, "submodule", "--quiet", "add", str(make_repository(repository.parent / "inner")), "sub")
    with_filter(repository / ".git/modules/sub/config", planted, "evil")
    git(repository / "sub", "config", "core.fsmonitor", str(planted))
    (repository / "sub/.gitattributes").write_text("file filter=evil\n")
    (repository / "sub/file").write_text("two\n")


def nested_config(repository: Path, planted: Path) -> None:
    nested = make_repository(repository / "nested")
    with_filter(nested / ".git/config", planted, "evil")
    (nested / ".gitattributes").write_text("file filter=evil\n")
    (nested / "file").write_text("two\n")


def monitor(repository: Path, planted: Path) -> None:
    git(repository, "config", "core.fsmonitor", str(planted))


def hooks(repository: Path, planted: Path) -> None:
    git(repository, "config", "core.hooksPath", str(repository / "hooks"))
    for folder in (repository / "hooks", repository / ".git/hooks"):
        folder.mkdir(exist_ok=True)
        for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman"):
            shutil.copy(planted, folder / name)


def textconv(repository: Path, planted: Path) -> None:
    for key in ("diff.evil.textconv", "diff.evil.command", "diff.external"):
        git(repository, "config", key, str(planted))
    (repository / ".gitattributes").write_text("* diff=evil\n")


def planted_git(repository: Path, planted: Path) -> None:
    (repository / "bin").mkdir()
    for place in (repository / "git", repository / "bin/git"):
        shutil.copy(planted, place)


ATTACKS: list[Callable[[Path, Path], None]] = [
    named_filter, process_filter, worktree_config, included_config, submodule_config, nested_config, monitor, hooks,
    textconv, planted_git,
]  # fmt: skip


def ask(command, repository: Path, prompts: tuple[str, ...] = ("look", "look"), **environ: str) -> list[dict]:
    pipe = subprocess.PIPE
    environment = {**command.environ, **environ, "LLM_GATEWAY_REUSE_BUDGET_S": "20"}
    answers = []
    with subprocess.Popen(
        command.argv("serve"), env=environment, cwd=repository, stdin=pipe, stdout=pipe, stderr=pipe
    ) as served:
        talk(served, 1, "initialize", HELLO)
        for number, prompt in enumerate(prompts, 2):
            arguments = {"prompt": prompt, "workingDir": str(repository)}
            answer = talk(served, number, "tools/call", {"name": "echo_request", "arguments": arguments})
            answers.append(answer["structuredContent"] | {"shown": answer["content"][0]["text"]})
        served.communicate(timeout=30)
    return answers


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_lesson_102_nothing_that_a_repository_names_is_run(command, repository: Path, planted: Path, attack) -> None:
    attack(repository, planted)
    (repository / "file").write_text("two\n")
    # In a directory of its own: the interpreter would import from the working directory.
    path = os.pathsep.join(["", ".", "bin", os.environ["PATH"]])
    first, second = ask(command, repository, PATH=path)
    assert (first["status"], second["deduplicated"]) == ("completed", True)
    assert "use forceRefresh for a new run" in second["shown"]
    assert "forceRefresh" not in first["shown"]


def test_git_variables_of_the_environment_change_nothing(
    command, repository: Path, planted: Path, tmp_path: Path
) -> None:
    other = make_repository(tmp_path / "other")
    given = {"GIT_DIR": f"{other}/.git", "GIT_WORK_TREE": str(other), "GIT_EXTERNAL_DIFF": str(planted)}
    given |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": str(planted)}
    first, _ = ask(command, repository, **given)
    (repository / "file").write_text("two\n")
    second, _ = ask(command, repository, **given)
    assert second["jobId"] != first["jobId"]


@pytest.mark.parametrize("link", [True, False], ids=["symlink", "file"])
def test_another_repository_is_not_looked_into(command, repository: Path, tmp_path: Path, link: bool) -> None:
    evil = tmp_path / "evil"
    evil.mkdir()
    if link:
        (evil / ".git").symlink_to(repository / ".git")
    else:
        (evil / ".git").write_text(f"gitdir: {repository}/.git\n")
    first, second = ask(command, evil)
    assert first["jobId"] != second["jobId"]
