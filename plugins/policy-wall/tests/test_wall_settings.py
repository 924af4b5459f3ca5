"""The settings of one run."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from llm_gateway import Posture
from llm_gateway_policy_wall.settings import WallSettings


def test_without_settings_a_run_reaches_only_its_service() -> None:
    rule = WallSettings().rule("claude", Posture.BYPASS)
    assert (rule.enabled, rule.network) == (True, "model-only")


def test_later_rules_outrank_earlier_ones_and_lists_add_up() -> None:
    settings = WallSettings.model_validate(
        {
            "network": "off",
            "hosts": ["a"],
            "visible": ["/a"],
            "rules": [
                {"provider": "codex", "network": "on", "hosts": ["b"]},
                {"posture": "bypass", "network": "model-only", "visible": ["/b"]},
                {"provider": "grok", "enabled": False},
            ],
        }
    )
    rule = settings.rule("codex", Posture.BYPASS)
    assert (rule.network, rule.hosts, rule.visible, rule.enabled) == ("model-only", ("a", "b"), ("/a", "/b"), True)
    assert settings.rule("codex", Posture.PLAN).network == "on"
    assert settings.rule("claude", Posture.PLAN).network == "off"
    assert settings.rule("grok", Posture.PLAN).enabled is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": "maybe"},
        {"visible": ["relative"]},
        {"writable": ["../up"]},
        {"protected": [".git/hooks"]},
        {"protected": [".."]},
        {"hosts": ["https://a"]},
        {"rules": [{"netwrok": "on"}]},
        {"rules": [{"posture": "root"}]},
    ],
)
def test_invalid_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WallSettings.model_validate(wrong)
