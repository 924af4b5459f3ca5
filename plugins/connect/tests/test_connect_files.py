"""A client's settings file that is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_connect.files import read


def test_a_fifo_or_a_device_in_the_place_of_settings_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("fifo", "link", "zeros"):
        with pytest.raises(InvalidRequest, match="cannot be read"):
            read(tmp_path / name)


def test_settings_behind_a_link_are_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("{}")
    (tmp_path / "link").symlink_to("real")
    assert read(tmp_path / "link") == "{}"
    assert read(tmp_path / "missing") is None
