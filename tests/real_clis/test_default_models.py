"""The default model of Codex has a price, or its contract says that it has none. The other programs do not name theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llm_gateway_extension_builtin.pricing.plugin import VENDORS
from llm_gateway_extension_builtin.pricing.prices import find_rates
from tests.real_clis.installing import contract

if TYPE_CHECKING:
    import pytest

    from tests.real_clis.agent import RealAgent


def test_the_default_model_has_a_price_unless_the_contract_says_that_it_has_none(
    codex: RealAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", codex.environ["HOME"])
    (default,) = [model.id for model in codex.host.list_models("codex", str(codex.program)) if model.default]
    stated = set(contract("codex")["unpriced"])
    assert find_rates(VENDORS["codex"], default) or default in stated
    priced = [model for model in stated if find_rates(VENDORS["codex"], model)]
    assert priced == [], "the price list contains them now: remove them from contract.toml"
