"""Skills come, are renewed and go; what somebody else wrote stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_connect.files import replace
from llm_gateway_extension_connect.skills import apply, changes

FILES = {"orchestra/SKILL.md": "one", "orchestra/reference/more.md": "two"}


def install(folder: Path, files: dict[str, str]) -> list[Path]:
    told, left = changes(folder, files)
    apply(told)
    return left


def found(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.md")}


def test_skills_come_are_renewed_and_go(tmp_path: Path) -> None:
    folder = tmp_path / "skills"
    install(folder, FILES)
    assert found(folder) == FILES
    assert changes(folder, FILES) == ([], [])

    install(folder, newer := {"orchestra/SKILL.md": "three"})
    assert found(folder) == newer

    install(folder, {})
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_else_wrote_or_changed_stays(tmp_path: Path) -> None:
    install(tmp_path, FILES)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/SKILL.md").write_text("mine")
    (tmp_path / "orchestra/SKILL.md").write_text("mine, too")
    assert install(tmp_path, {**FILES, "other/SKILL.md": "x"}) == [
        tmp_path / "orchestra/SKILL.md",
        tmp_path / "other/SKILL.md",
    ]
    install(tmp_path, {})
    assert found(tmp_path) == {"other/SKILL.md": "mine", "orchestra/SKILL.md": "mine, too"}


def test_nothing_is_replaced_that_has_just_been_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("theirs")
    with pytest.raises(InvalidRequest, match="just been changed"):
        replace(path, was="as it was read", text="ours")
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]
