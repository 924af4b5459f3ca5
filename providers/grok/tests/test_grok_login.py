"""Logins of Grok that are found without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_gateway_provider_grok.login import logged_in


@pytest.mark.parametrize(
    ("environ", "files", "known"),
    [
        ({}, {}, False),
        ({}, {"auth.json": "{}"}, False),
        ({}, {"auth.json": '{"x": {"key": "k"}}'}, True),
        ({}, {"auth.json": "half a li"}, None),
        ({"XAI_API_KEY": "k"}, {}, True),
        ({"XAI_API_KEY": ""}, {}, False),
        ({}, {"config.toml": '[cli]\ninstaller = "npm"\n'}, False),
        ({}, {"config.toml": '[model.x]\nenv_key = "X"\n'}, None),
    ],
)
def test_a_key_or_a_stored_file_is_a_login_of_grok(
    environ: dict[str, str], files: dict[str, str], known: bool | None, tmp_path: Path
) -> None:
    (tmp_path / ".grok").mkdir()
    for name, words in files.items():
        (tmp_path / ".grok" / name).write_text(words)
    assert logged_in({"HOME": str(tmp_path), **environ}) is known


def test_the_environment_sets_where_a_login_of_grok_is_searched(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text('{"x": {}}')
    assert logged_in({"GROK_HOME": str(tmp_path)}) is True
    assert logged_in({"GROK_HOME": "/nowhere", "GROK_AUTH_PATH": str(tmp_path / "auth.json")}) is True
