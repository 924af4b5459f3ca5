"""What `doctor` says of programs that do not work, or that are not on the PATH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def claude(command, *, code: int) -> tuple[dict[str, Any], dict[str, Any]]:
    environ = {
        "LLM_GATEWAY_PLUGINS": "claude,operations,git",
        "PATH": "/usr/bin:/bin",
        "HOME": str(command.home.parent),
    }
    report = command.json("doctor", code=code, **environ)
    [one] = [one for one in report["providers"] if one["name"] == "claude"]
    return report, one


def set_executable(command, path: Path) -> None:
    command.home.mkdir(mode=0o700, exist_ok=True)
    (command.home / "config.toml").write_text(f'[providers.claude]\nexecutable = "{path}"\n')


def test_lesson_115_a_program_whose_interpreter_is_beside_it_works_with_a_clients_short_path(command) -> None:
    agent = program(command.home.parent / "nvm/bin/claude", "#!/usr/bin/env node-of-test\n")
    program(agent.with_name("node-of-test"), "#!/bin/sh\necho '2.1.0 (Claude Code)'\n")
    set_executable(command, agent)
    assert claude(command, code=0)[1]["version"] == "2.1.0"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("#!/usr/bin/env node-of-test\n", "exit code 127"),
        ("#!/bin/sh\necho some words; exit 3\n", "exit code 3: some words"),
        ("#!/bin/sh\nkill -9 $$\n", "signal 9"),
        ("#!/nowhere/at/all\n", "did not start"),
    ],
    ids=["no interpreter", "fails", "killed", "cannot start"],
)
def test_a_program_that_cannot_tell_its_version_is_broken(command, text: str, told: str) -> None:
    agent = program(command.home.parent / "nvm/bin/claude", text)
    set_executable(command, agent)
    report, one = claude(command, code=1)
    assert told in one["problem"]
    assert any(str(agent) in problem and told in problem for problem in report["problems"])


def test_a_program_that_is_not_on_the_path_is_used_and_its_path_is_shown(command) -> None:
    agent = program(command.home.parent / ".volta/bin/claude", "#!/bin/sh\necho 2.1.0\n")
    _, one = claude(command, code=0)
    assert (one["installed"], one["path"], one["version"]) == (True, str(agent), "2.1.0")


def test_a_program_that_others_can_change_is_not_used_and_doctor_says_why(command) -> None:
    agent = program(command.home.parent / ".volta/bin/claude", "#!/bin/sh\necho 2.1.0\n")
    agent.chmod(0o777)
    report, one = claude(command, code=4)
    assert one["installed"] is False
    assert any(str(agent) in note and "not used" in note for note in report["notes"])


def test_a_version_is_asked_for_in_an_empty_directory_with_no_key_in_sight(command) -> None:
    seen = command.home.parent / "seen"
    text = f'#!/bin/sh\n(ls -a; env) > "{seen}.$1"\necho 2.1.0\n'
    set_executable(command, program(command.home.parent / "bin/claude", text))
    command.environ["ANTHROPIC_API_KEY"] = "canary-1"
    claude(command, code=0)
    told = Path(f"{seen}.--version").read_text()
    assert told.startswith(".\n..\n")
    assert "canary-1" not in told
