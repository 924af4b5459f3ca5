"""The paths that a program needs, paths with variables, and the repository of a directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_gateway_policy_wall.outside import paths


@pytest.mark.parametrize(
    ("given", "env", "meant"),
    [
        ("~/.x", {"HOME": "/h"}, "/h/.x"),
        ("${X_HOME:-~/.x}/a", {"HOME": "/h"}, "/h/.x/a"),
        ("${X_HOME:-~/.x}/a", {"HOME": "/h", "X_HOME": "/x/"}, "/x/a"),
        ("${X_HOME:-~}/.x", {"HOME": "/h", "X_HOME": ""}, "/h/.x"),
        ("${X_HOME:-}", {"HOME": "/h"}, None),
        ("${X_HOME:-~/.x}", {"HOME": "/h", "X_HOME": "relative"}, None),
        ("~", {}, "/nonexistent"),
    ],
)
def test_variables_in_a_path_are_those_of_the_run(given: str, env: dict[str, str], meant: str | None) -> None:
    assert paths.expand(given, env) == meant


def program(path: Path, first: str = "#!/bin/sh") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{first}\n")
    path.chmod(0o755)
    return path


def test_a_program_of_npm_needs_its_packages_and_its_interpreter(tmp_path: Path) -> None:
    """The layout of nvm and npm in a home."""
    node = tmp_path / ".nvm" / "v22"
    program(node / "bin" / "node")
    (node / "lib").mkdir()
    real = program(tmp_path / "npm" / "node_modules" / "@x" / "cli" / "cli.js", "#!/usr/bin/env node")
    link = tmp_path / "npm" / "node_modules" / ".bin" / "cli"
    link.parent.mkdir()
    link.symlink_to(real)
    found = paths.program_paths(str(link), {"HOME": str(tmp_path), "PATH": f"{node}/bin"})
    assert {str(tmp_path / "npm" / "node_modules"), str(node), f"{node}/bin/node"} <= set(found)


def test_a_program_of_pip_needs_its_environment_and_its_base_python(tmp_path: Path) -> None:
    base, env = tmp_path / "python", tmp_path / "tools" / "env"
    program(base / "bin" / "python3")
    (base / "lib").mkdir()
    script = program(env / "bin" / "cli", f"#!{env}/bin/python")
    (env / "bin" / "python").symlink_to(base / "bin" / "python3")
    (env / "pyvenv.cfg").write_text(f"home = {base}/bin\n")
    found = paths.program_paths(str(script), {"HOME": str(tmp_path), "PATH": "/usr/bin"})
    assert {str(env), str(base)} <= set(found)


@pytest.mark.parametrize("folder", ["", "bin", ".local/bin"])
def test_a_folder_of_programs_in_a_home_does_not_open_the_home(tmp_path: Path, folder: str) -> None:
    for shared in ("lib", ".local/lib"):
        (tmp_path / shared).mkdir(parents=True)
    tool = program(tmp_path / folder / "cli")
    found = paths.program_paths(str(tool), {"HOME": str(tmp_path), "PATH": f"{tool.parent}:relative:"})
    assert str(tool) in found
    assert not {str(tmp_path), str(tmp_path / ".local"), "/"} & set(found)


def test_a_script_that_names_itself_as_its_interpreter_ends(tmp_path: Path) -> None:
    tool = program(tmp_path / "cli", f"#!{tmp_path}/cli")
    assert str(tool) in paths.program_paths(str(tool), {"HOME": "/nonexistent", "PATH": ""})


def test_links_in_a_path_are_found_and_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "round").symlink_to("round")
    assert paths.resolve(f"{tmp_path}/link/x") == (f"{tmp_path}/real/x", [(f"{tmp_path}/link", "real")])
    assert len(paths.resolve(f"{tmp_path}/round")[1]) < 100


def test_a_git_file_is_accepted_only_if_git_confirms_it(tmp_path: Path) -> None:
    whole, tree = tmp_path / "whole", tmp_path / "tree"
    state = whole / ".git" / "worktrees" / "tree"
    state.mkdir(parents=True)
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {state}\n")
    (state / "HEAD").write_text("ref: refs/heads/x\n")
    assert paths.repository(str(tree)) == (str(tree), []), "no file there names this tree"
    (state / "gitdir").write_text(f"{tree}/.git\n")
    (state / "commondir").write_text("../..\n")
    assert paths.repository(str(tree)) == (str(tree), [str(state), str(whole / ".git")])
    (state / "commondir").write_text("/etc\n")
    assert paths.repository(str(tree)) == (str(tree), []), "the state of a worktree is inside of its repository's state"
    assert paths.repository(str(whole)) == (str(whole), [])


def test_a_git_file_that_is_a_pipe_does_not_block(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text(f"gitdir: {tmp_path}/state\n")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "HEAD").touch()
    os.mkfifo(tmp_path / "state" / "gitdir")
    assert paths.repository(str(tmp_path)) == (str(tmp_path), [])


def test_entries_of_nested_repositories_are_found_up_to_a_limit(tmp_path: Path) -> None:
    for place in (".git", "a/.git", "a/b/c/.git"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    found = paths.nested(str(tmp_path), [".git"], most=1000)
    assert sorted(found) == [str(tmp_path / "a/.git"), str(tmp_path / "a/b/c/.git")]
    assert paths.nested(str(tmp_path), [".git"], most=1) == []
