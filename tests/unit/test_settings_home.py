"""The gateway's home: where it is, and that nobody else can write there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.settings import SettingsError, load_settings, prepare_home


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def home_at(path: Path) -> Any:
    return load_settings({"LLM_GATEWAY_HOME": str(path)})


def test_the_home_is_in_the_users_home_unless_moved(tmp_path: Path) -> None:
    assert load_settings({"HOME": str(tmp_path)}).home == tmp_path / ".llm-cli-gateway"
    assert load_settings({"HOME": str(tmp_path), "LLM_GATEWAY_HOME": "~/here"}).home == tmp_path / "here"
    assert load_settings({"HOME": str(tmp_path), "LLM_GATEWAY_HOME": ""}).home == tmp_path / ".llm-cli-gateway"


def test_the_home_is_made_for_us_alone(tmp_path: Path) -> None:
    home = prepare_home(home_at(tmp_path / "a/b"))
    assert mode(home) == 0o700
    home.chmod(0o755)
    assert mode(prepare_home(home_at(home))) == 0o700


def test_a_home_that_everybody_can_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(SettingsError, match="chmod 700"):
        prepare_home(home_at(tmp_path))
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(SettingsError, match="chmod 700"):
        prepare_home(home_at(link))


def test_a_home_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(SettingsError, match="belongs to another user"):
        prepare_home(home_at(tmp_path))


def test_a_home_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for place in (file, file / "below"):
        with pytest.raises(SettingsError, match="the home cannot be used"):
            prepare_home(home_at(place))


def test_a_home_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, wanted: False)
    with pytest.raises(SettingsError, match="not writable"):
        prepare_home(home_at(tmp_path))
