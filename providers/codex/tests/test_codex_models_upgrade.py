from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_codex.models import list_models
from llm_gateway_provider_codex.plugin import CodexProvider

CATALOGUE = json.dumps(
    {
        "models": [
            {"slug": "m-second", "visibility": "list", "priority": 2, "display_name": "M Second"},
            {"slug": "m-first", "visibility": "list", "priority": 1},
            {"slug": "m-hidden", "visibility": "hide", "priority": 0},
        ]
    }
).encode()
CONFIG = 'approval_policy = "never"\nmodel = "m-mine"\n[profiles.x]\nmodel = "m-not-this"\n'


def test_models_of_codex_are_listed_with_their_sources(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    found = [(model.id, model.source, model.default) for model in list_models({"CODEX_HOME": str(tmp_path)}, CATALOGUE)]
    assert found == [
        ("m-first", "codex debug models", True),
        ("m-second", "codex debug models", False),
        ("m-mine", str(tmp_path / "config.toml"), False),
    ]


def test_no_model_is_built_in(tmp_path: Path) -> None:
    assert list_models({"HOME": str(tmp_path)}, b"") == []


@pytest.mark.parametrize("catalogue", [b"[]", b'{"models": 3}', b'{"models": [3, {}]}', b"\xff"])
def test_a_broken_catalogue_gives_no_models(catalogue: bytes, tmp_path: Path) -> None:
    assert list_models({"HOME": str(tmp_path)}, catalogue) == []


def test_an_unknown_kind_of_installation_has_no_plan(tmp_path: Path) -> None:
    assert CodexProvider().upgrade_plan(None, str(tmp_path / "codex")) is None
    assert CodexProvider().upgrade_plan(None, None) is None


@pytest.mark.parametrize("target", ["; rm -rf /", "0.1", "../x", "other-package@1.0.0", ""])
def test_lesson_53_only_a_version_is_accepted_as_target(target: str) -> None:
    with pytest.raises(InvalidRequest):
        CodexProvider().upgrade_plan(target, "/usr/lib/node_modules/@openai/codex/bin/codex.js")
