"""Mount points for missing protected paths, and their removal."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from llm_gateway_policy_wall.outside.mountpoints import MountPoints


def test_mount_points_are_created_and_removed_and_existing_paths_stay(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "config.toml").write_text("")
    places = MountPoints()
    names = (".git", ".claude", "config.toml", "settings.json", ".env", "AGENTS.md")
    assert all(places.hold(str(tmp_path / name)) for name in names)
    assert (tmp_path / "settings.json").read_text() == "{}\n", "an empty file is not valid JSON"
    assert (tmp_path / ".claude").is_dir()
    assert (tmp_path / ".env").is_file()
    places.release()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "config.toml"]


def test_the_last_run_that_uses_a_mount_point_removes_it(tmp_path: Path) -> None:
    first, second = MountPoints(), MountPoints()
    for places in (first, second):
        assert places.hold(str(tmp_path / ".claude"))
    first.release()
    assert (tmp_path / ".claude").is_dir()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_user_created_meanwhile_stays(tmp_path: Path) -> None:
    places = MountPoints()
    for name in (".claude", "settings.json", "AGENTS.md"):
        places.hold(str(tmp_path / name))
    (tmp_path / ".claude" / "mine").write_text("mine")
    (tmp_path / "settings.json").write_text("{}\n")
    os.utime(tmp_path / "AGENTS.md", (time.time(), time.time()))
    places.release()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".claude", "AGENTS.md", "settings.json"]


def test_a_link_is_refused_and_a_missing_folder_needs_none(tmp_path: Path) -> None:
    (tmp_path / ".git").symlink_to("elsewhere")
    places = MountPoints()
    with pytest.raises(OSError, match="a symbolic link"):
        places.hold(str(tmp_path / ".git"))
    assert not places.hold(str(tmp_path / "missing" / ".git"))
    places.release()
