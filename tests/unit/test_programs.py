"""Finding programs: absolute directories only, and command lines that start a gateway."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_gateway.programs import find_executable, search_directories, starts_gateway


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("path", ["", ".", ":", "bin:.", "./bin::"])
def test_a_relative_or_empty_entry_of_path_finds_nothing(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "git")
    executable(tmp_path / "bin/git")
    monkeypatch.chdir(tmp_path)
    assert find_executable("git", {"PATH": path}) is None


def test_the_first_absolute_directory_that_has_the_program_is_used(tmp_path: Path) -> None:
    executable(tmp_path / "b/git")
    executable(tmp_path / "c/git")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/git").write_text("not executable")
    path = os.pathsep.join(str(tmp_path / name) for name in "abc")
    assert find_executable("git", {"PATH": path}) == str(tmp_path / "b/git")


def test_a_name_with_a_slash_is_found_only_as_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = executable(tmp_path / "bin/tool")
    monkeypatch.chdir(tmp_path)
    assert find_executable("bin/tool", {"PATH": str(tmp_path)}) is None
    assert find_executable(str(program), {}) == str(program)
    assert find_executable(str(tmp_path / "bin"), {}) is None
    assert find_executable("", {"PATH": str(tmp_path)}) is None
    assert find_executable("a\0b", {"PATH": str(tmp_path)}) is None


def test_without_path_the_systems_default_is_searched() -> None:
    assert search_directories(None) == [folder for folder in os.defpath.split(os.pathsep) if os.path.isabs(folder)]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("/opt/gw/bin/llm-gateway", ["serve"]),
        ("llm-gateway-mcp", []),
        ("uvx", ["llm-gateway-mcp"]),
        ("uvx", ["--from", "llm-gateway-mcp", "llm-gateway", "serve"]),
        ("python3", ["-m", "llm_gateway.cli", "serve"]),
    ],
)
def test_every_way_to_start_a_gateway_is_known(command: str, arguments: list[str]) -> None:
    assert starts_gateway(command, arguments)


def test_another_server_is_no_gateway() -> None:
    assert not starts_gateway("/usr/bin/sqry", ["mcp", "--name", "gateway"])
