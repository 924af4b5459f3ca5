"""Logins of Gemini CLI that are found without running it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway_provider_gemini.gemini_cli.login import logged_in


def chosen(kind: str) -> dict[str, str]:
    return {"settings.json": "// mine\n" + json.dumps({"security": {"auth": {"selectedType": kind}}})}


@pytest.mark.parametrize(
    ("environ", "files", "known"),
    [
        ({}, {}, False),
        ({}, {"settings.json": "{}"}, False),
        ({}, {"settings.json": "broken"}, None),
        ({"GEMINI_API_KEY": "k"}, {}, True),
        ({}, {".env": "GEMINI_API_KEY=k\n"}, True),
        ({}, chosen("gemini-api-key"), None),
        ({}, {**chosen("gemini-api-key"), ".env": "export GEMINI_API_KEY=k\n"}, True),
        ({"GEMINI_API_KEY": "k"}, chosen("oauth-personal"), None),
        ({}, {**chosen("oauth-personal"), "oauth_creds.json": "{}"}, True),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_API_KEY": "k"}, {}, True),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "true"}, {}, None),
        ({"GEMINI_CLI_USE_COMPUTE_ADC": "true"}, {}, None),
    ],
)
def test_the_login_method_decides_what_is_known_of_gemini(
    environ: dict[str, str], files: dict[str, str], known: bool | None, tmp_path: Path
) -> None:
    (tmp_path / ".gemini").mkdir()
    for name, words in files.items():
        (tmp_path / ".gemini" / name).write_text(words)
    assert logged_in({"HOME": str(tmp_path), **environ}) is known
