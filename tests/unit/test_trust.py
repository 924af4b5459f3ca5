"""Which directories the user trusts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from llm_gateway import trust


def test_a_directory_is_trusted_with_all_below_it_and_with_nothing_beside_it(tmp_path: Path) -> None:
    trust.add(tmp_path, "/srv/project")
    assert trust.trusted_root(tmp_path, "/srv/project/sub/folder") == "/srv/project"
    assert trust.trusted_root(tmp_path, "/srv/project") == "/srv/project"
    assert trust.trusted_root(tmp_path, "/srv/project-2") == ""
    assert trust.trusted_root(tmp_path, "/srv") == ""


def test_what_is_removed_is_trusted_no_longer(tmp_path: Path) -> None:
    trust.add(tmp_path, "/a")
    trust.add(tmp_path, "/b")
    assert trust.remove(tmp_path, "/a")
    assert not trust.remove(tmp_path, "/a")
    assert trust.trusted_directories(tmp_path) == ("/b",)


def test_the_file_is_private(tmp_path: Path) -> None:
    trust.add(tmp_path, "/a")
    assert stat.S_IMODE((tmp_path / trust.FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"directories": "/"}', '{"directories": [1]}', "\xff"])
def test_a_damaged_file_trusts_nothing_and_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / trust.FILE).write_text(text, "latin-1")
    (tmp_path / trust.FILE).chmod(0o600)
    with pytest.raises(trust.TrustError, match=trust.FILE):
        trust.trusted_root(tmp_path, "/a")


def test_a_file_that_others_can_write_or_a_link_trusts_nothing(tmp_path: Path) -> None:
    trust.add(tmp_path, "/a")
    (tmp_path / trust.FILE).chmod(0o620)
    with pytest.raises(trust.TrustError):
        trust.trusted_directories(tmp_path)
    (tmp_path / trust.FILE).chmod(0o600)
    (tmp_path / trust.FILE).rename(tmp_path / "elsewhere")
    (tmp_path / trust.FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(trust.TrustError):
        trust.trusted_directories(tmp_path)
