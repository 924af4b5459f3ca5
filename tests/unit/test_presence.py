"""Which providers count as present, and how little it costs to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.operations import presence
from llm_gateway.operations.presence import Presence
from llm_gateway.planning.invocation import ProgramSearch
from llm_gateway.settings.model import ProviderSection, Settings

ONE = ProviderInfo(name="one", title="One", executable="agent-one", postures=(Posture.PROMPTED,))
VARIANTS = {
    "new": replace(ONE, name="two", executable="agent-new", variant="new", program_folders=("~/.new/bin",)),
    "old": replace(ONE, name="two", executable="agent-old", variant="old"),
}
TWO = replace(ONE, name="two", variants=VARIANTS)


def made(tmp_path: Path, *infos: ProviderInfo, **executables: Path) -> Presence:
    sections = {name: ProviderSection(executable=path) for name, path in executables.items()}
    settings = Settings(home=tmp_path, config_file=tmp_path / "config.toml", providers=sections)
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    return Presence({info.name: info for info in infos}, settings, environ)


def install(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("place", ["bin/agent-old", ".nvm/versions/node/v22.1.0/bin/agent-old", ".new/bin/agent-new"])
def test_a_program_of_any_variant_in_any_place_makes_a_provider_present(tmp_path: Path, place: str) -> None:
    seen = made(tmp_path, ONE, TWO)
    assert seen.absent == {"one", "two"}
    program = install(tmp_path / place)
    assert seen.look()
    assert seen.absent == {"one"}
    program.unlink()
    assert seen.look()
    assert seen.absent == {"one", "two"}


def test_the_operators_path_counts_instead_of_the_search(tmp_path: Path) -> None:
    install(tmp_path / "bin/agent-one")
    named = tmp_path / "elsewhere/mine"
    seen = made(tmp_path, ONE, one=named)
    assert seen.absent == {"one"}
    install(named)
    assert seen.look()
    assert not seen.absent
    for unusable in ("relative", "~no-such-user-4711/agent"):
        assert made(tmp_path, ONE, one=Path(unusable)).absent == {"one"}


def test_an_operators_path_that_names_one_variants_program_leaves_the_other_to_the_search(tmp_path: Path) -> None:
    seen = made(tmp_path, TWO, two=tmp_path / "nowhere/agent-new")
    assert seen.absent == {"two"}
    install(tmp_path / "bin/agent-old")
    assert seen.look()
    assert not seen.absent


def test_a_look_without_a_change_searches_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[str] = []
    find = ProgramSearch.find

    def counted(self: ProgramSearch, environ: Mapping[str, str]) -> Any:
        searches.append(self.name)
        return find(self, environ)

    monkeypatch.setattr(ProgramSearch, "find", counted)
    seen = made(tmp_path, ONE, TWO)
    assert seen.absent == {"one", "two"}
    first = len(searches)
    for _ in range(5):
        assert not seen.look()
        assert seen.absent == {"one", "two"}
    assert len(searches) == first == 3


def test_a_program_that_appears_without_a_change_of_its_folder_is_seen_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = install(tmp_path / "bin/agent-one")
    program.chmod(0o644)
    seen = made(tmp_path, ONE)
    assert seen.absent == {"one"}
    program.chmod(0o755)
    assert not seen.look()
    monkeypatch.setattr(presence, "_SEARCH_AGAIN_S", 0.0)
    assert seen.look()
    assert not seen.absent
