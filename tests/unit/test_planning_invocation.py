import os
from dataclasses import replace
from pathlib import Path

import pytest

from llm_gateway import Invocation, Posture, Prompt, ProviderInfo, Request
from llm_gateway.errors import InvalidRequest, NotInstalled
from llm_gateway.planning.invocation import (
    check_directories,
    check_held,
    check_invocation,
    find_program,
    require_program,
    run_environment,
)

INFO = ProviderInfo(
    name="p", title="P", executable="agent-p", postures=(Posture.PROMPTED,), install="pip install agent-p"
)

TWO = replace(
    INFO,
    supports=frozenset({"effort"}),
    variants={
        "new": replace(INFO, variant="new", executable="agent-n", silent=True),
        "old": replace(INFO, variant="old", executable="agent-o", supports=frozenset({"effort"})),
    },
)


def planted(folder: Path, name: str = "agent-p") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    return program


def test_lesson_45_a_run_sees_only_what_is_allowed() -> None:
    environ = {"PATH": "/bin", "HOME": "/h", "P_KEY": "mine", "OTHER_KEY": "no", "BASE_URL": "no", "LC_ALL": "C"}
    seen = run_environment(environ, allowed=["P_*"], passed=[], fixed={}, added={}, depth=1)
    assert seen == {"PATH": "/bin", "HOME": "/h", "P_KEY": "mine", "LC_ALL": "C", "LLM_GATEWAY_DEPTH": "1"}


def test_the_operator_may_pass_names_and_set_values() -> None:
    seen = run_environment({"X": "1", "Y": "2"}, allowed=[], passed=["X"], fixed={"Z": "3"}, added={"Z": "0"}, depth=2)
    assert seen == {"X": "1", "Z": "3", "LLM_GATEWAY_DEPTH": "2"}


def test_lesson_42_a_program_is_found_on_absolute_folders_of_the_path_only(tmp_path: Path, monkeypatch: object) -> None:
    planted(tmp_path / "here")
    good = planted(tmp_path / "good")
    found = find_program(INFO, None, {"PATH": f".{os.pathsep}here{os.pathsep}{tmp_path / 'good'}"})
    assert found is not None
    assert found.path == str(good)


def test_another_build_of_a_program_is_another_program(tmp_path: Path) -> None:
    program = planted(tmp_path)
    before = find_program(INFO, program, {})
    program.write_text("#!/bin/sh\n# newer\n")
    after = find_program(INFO, program, {})
    assert before is not None
    assert after is not None
    assert before.identity != after.identity


def test_a_missing_program_is_told_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="agent-p") as caught:
        require_program(INFO, "", None, {"PATH": str(tmp_path)})
    assert caught.value.recovery == "Install it: pip install agent-p"


def test_of_several_programs_the_first_that_is_here_serves_or_the_one_that_is_wanted(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path)}
    old = planted(tmp_path, "agent-o")
    assert require_program(TWO, "", None, environ)[0].variant == "old"
    new = planted(tmp_path, "agent-n")
    assert require_program(TWO, "", None, environ)[0].variant == "new"
    assert require_program(TWO, "old", None, environ)[1].path == str(old)
    assert require_program(TWO, "new", None, environ)[1].path == str(new)


def test_an_executable_of_the_settings_counts_for_the_program_that_it_names(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path / "usual")}
    planted(tmp_path / "usual", "agent-n")
    elsewhere = planted(tmp_path / "own", "agent-o")
    info, program = require_program(TWO, "", elsewhere, environ)
    assert (info.variant, program.path) == ("old", str(elsewhere))
    assert require_program(TWO, "new", elsewhere, environ)[1].path == str(tmp_path / "usual" / "agent-n")
    other = planted(tmp_path / "own", "my-agent")
    assert require_program(TWO, "", other, environ)[1].path == str(other)


def test_a_request_is_held_to_what_its_own_program_can() -> None:
    asked = Request(provider="p", prompt=Prompt(text="x"), working_dir="/", effort="high", idle_timeout_s=60.0)
    check_held(TWO.of("old"), asked, servers_named=False)
    with pytest.raises(InvalidRequest, match="effort"):
        check_held(TWO.of("new"), asked, servers_named=False)
    with pytest.raises(InvalidRequest, match="idleTimeoutMs"):
        check_held(TWO.of("new"), replace(asked, effort=None), servers_named=False)
    with pytest.raises(InvalidRequest, match="MCP servers"):
        check_held(TWO.of("old"), asked, servers_named=True)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    check_directories(str(tmp_path), [])
    with pytest.raises(InvalidRequest, match="workingDir"):
        check_directories(str(tmp_path / "none"), [])
    with pytest.raises(InvalidRequest, match="addDirs"):
        check_directories(str(tmp_path), [str(tmp_path / "none")])


def test_lesson_22_what_no_command_line_can_hold_is_refused_before_anything_runs() -> None:
    with pytest.raises(InvalidRequest, match="too long for a command line"):
        check_invocation(Invocation(argv=("p", "x" * 131_072)))
    with pytest.raises(InvalidRequest, match="NUL byte"):
        check_invocation(Invocation(argv=("p", "a\0b")))
    with pytest.raises(InvalidRequest, match="no program can be given"):
        check_invocation(Invocation(argv=("p", "\ud800")))
