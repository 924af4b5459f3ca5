from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_gateway.errors import InvalidRequest
from llm_gateway_provider_mistral.models import list_models
from llm_gateway_provider_mistral.upgrade import plan

CONFIG = """
active_model = "devstral"
[[models]]
name = "devstral-latest"
alias = "devstral"
provider = "mistral"
[[models]]
name = "only-a-name"
provider = "mistral"
"""


def test_aliases_are_listed_with_their_sources(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    used = tmp_path / "logs" / "session" / "unified" / "s-1"
    used.mkdir(parents=True)
    (used / "meta.json").write_text(json.dumps({"config": {"active_model": "medium", "model_name": "m-latest"}}))
    environ = {"VIBE_HOME": str(tmp_path), "VIBE_ACTIVE_MODEL": "own", "VIBE_MODELS": '{"own": {"name": "own-1"}}'}
    found = {model.id: (Path(model.source).name, model.default, model.title) for model in list_models(environ)}
    assert found == {
        "own": ("VIBE_ACTIVE_MODEL", True, ""),
        "devstral": ("config.toml", False, "devstral-latest"),
        "only-a-name": ("config.toml", False, "only-a-name"),
        "medium": ("unified", False, "was used on this machine, as m-latest"),
    }


def test_one_alias_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    assert [model.id for model in list_models({"VIBE_HOME": str(tmp_path)}) if model.default] == ["devstral"]


def test_no_model_of_vibe_is_built_in(tmp_path: Path) -> None:
    assert list_models({"HOME": str(tmp_path)}) == []


@pytest.mark.parametrize("content", ["", "models = 3", "[[models]]\nalias = 3", "not toml", "models = [1]"])
def test_a_broken_config_gives_no_models(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.toml").write_text(content)
    used = tmp_path / "logs" / "session" / "unified" / "s-1"
    used.mkdir(parents=True)
    (used / "meta.json").write_text("[]")
    assert list_models({"VIBE_HOME": str(tmp_path), "VIBE_MODELS": "[1"}) == []


def test_an_unknown_installation_of_vibe_has_no_plan(tmp_path: Path) -> None:
    assert plan(None, None) is None
    assert plan(str(tmp_path / "vibe"), None) is None


@pytest.mark.parametrize("target", ["3", "--pre", "other==1", "3.0.3; rm", ""])
def test_lesson_53_only_a_version_of_vibe_is_accepted_as_target(target: str) -> None:
    with pytest.raises(InvalidRequest):
        plan("/x/vibe", target)
