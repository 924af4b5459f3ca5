"""Logins of Codex that are found without running `codex login status`."""

from __future__ import annotations

import pytest

from llm_gateway_provider_codex.login import logged_in

CHOSEN = 'model_provider="local"'


@pytest.mark.parametrize(
    ("environ", "config", "known"),
    [
        ({}, (), None),
        ({"OPENAI_API_KEY": "ignored by Codex"}, (), None),
        ({"CODEX_API_KEY": "k"}, (), True),
        ({"CODEX_API_KEY": "k"}, (CHOSEN, 'model_providers.local={name="l",env_key="LOCAL_KEY"}'), False),
        ({"LOCAL_KEY": "k"}, (CHOSEN, 'model_providers.local={name="l",env_key="LOCAL_KEY"}'), True),
        ({"LOCAL_KEY": "k"}, (CHOSEN, 'model_providers.local.env_key="LOCAL_KEY"'), True),
        ({}, (CHOSEN, 'model_providers.local={name="l",base_url="http://127.0.0.1:1"}'), True),
        ({}, (CHOSEN, "model_providers.local={requires_openai_auth=true}"), None),
        ({}, ('model_provider="openai"', 'model_providers.local={env_key="LOCAL_KEY"}'), None),
    ],
)
def test_a_key_or_a_configured_service_is_a_login_of_codex(
    environ: dict[str, str], config: tuple[str, ...], known: bool | None
) -> None:
    assert logged_in(environ, config) is known
