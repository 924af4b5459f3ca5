"""A settings file that is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_gateway.settings.load import load_settings
from llm_gateway.settings.model import SettingsError


def test_a_fifo_in_the_place_of_the_settings_is_an_error_and_hangs_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.toml")
    with pytest.raises(SettingsError, match="not a regular file"):
        load_settings({"LLM_GATEWAY_HOME": str(tmp_path)})
