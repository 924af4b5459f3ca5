"""Keys of Vibe that are found without opening the keyring."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway_provider_mistral.login import logged_in

OTHER = [{"name": "other", "api_key_env_var": "OTHER_KEY"}]


@pytest.mark.parametrize(
    ("environ", "files", "known"),
    [
        ({}, {}, None),
        ({"MISTRAL_API_KEY": "k"}, {}, True),
        ({}, {".env": "# mine\nMISTRAL_API_KEY='k'\n"}, True),
        ({}, {".env": "MISTRAL_API_KEY=\n"}, None),
        ({"MISTRAL_API_KEY": "k", "VIBE_PROVIDERS": json.dumps(OTHER)}, {}, None),
        ({"OTHER_KEY": "k", "VIBE_PROVIDERS": json.dumps(OTHER)}, {}, True),
        ({"OTHER_KEY": "k"}, {"config.toml": '[[providers]]\napi_key_env_var = "OTHER_KEY"\n'}, True),
        ({"MISTRAL_API_KEY": "k"}, {"config.toml": "broken ="}, None),
    ],
)
def test_a_key_in_the_environment_or_in_vibes_file_is_a_login(
    environ: dict[str, str], files: dict[str, str], known: bool | None, tmp_path: Path
) -> None:
    for name, words in files.items():
        (tmp_path / name).write_text(words)
    assert logged_in({"VIBE_HOME": str(tmp_path), **environ}) is known
