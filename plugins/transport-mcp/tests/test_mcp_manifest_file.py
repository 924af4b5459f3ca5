"""Where the manifest of the handshake cache is written, and what becomes of the one of an earlier version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway_transport_mcp.handshake_key import key, manifest_path, program_states, read_private, state_lines
from llm_gateway_transport_mcp.manifest import _write


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return {"LLM_GATEWAY_HOME": str(home), "HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}


def test_the_manifest_of_an_earlier_version_is_removed_with_its_folder(environ: dict[str, str], tmp_path: Path) -> None:
    front = tmp_path / "home/front"
    front.mkdir(mode=0o700)
    (front / "mcp.json").write_text("{}")
    assert _write({"key": []}, environ)
    assert json.loads(read_private(manifest_path(environ)) or b"") == {"key": []}
    assert not front.exists()


def test_other_files_in_the_folder_of_an_earlier_version_stay(environ: dict[str, str], tmp_path: Path) -> None:
    front = tmp_path / "home/front"
    front.mkdir(mode=0o700)
    (front / "mcp.json").write_text("{}")
    (front / "notes").write_text("mine")
    assert _write({"key": []}, environ)
    assert [path.name for path in front.iterdir()] == ["notes"]


def test_the_key_changes_when_a_program_appears_or_disappears(environ: dict[str, str], tmp_path: Path) -> None:
    searches = [["agent"], ["other", "~/.other/bin"], [""]]

    def now() -> list[str]:
        return key(environ, [], program_states(searches, environ))

    absent = now()
    for place in ("bin/agent", ".volta/bin/agent", ".other/bin/other"):
        program = tmp_path / place
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        assert now() == absent
        program.chmod(0o755)
        assert now() != absent
        program.unlink()
        assert now() == absent


def test_states_that_are_searched_and_states_that_are_known_are_written_alike(environ: dict[str, str]) -> None:
    searched = program_states([["b", "~/x"], ["a"]], environ)
    assert searched == state_lines({("a",): False, ("b", "~/x"): False})
    assert state_lines({("a",): True}) != state_lines({("a",): False})
