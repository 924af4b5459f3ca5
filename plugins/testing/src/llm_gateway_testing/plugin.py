"""The pytest plugin: three fixtures. None of them does anything unless a test requests it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite("llm_gateway_testing.contract")

from llm_gateway_testing.leaks import nothing_left_behind  # noqa: E402 - pytest must register the rewrite first

if TYPE_CHECKING:
    from llm_gateway_testing import GatewayFactory, ProgramBuilder

__all__ = ["gateway_factory", "make_program", "nothing_left_behind"]


@pytest.fixture
def gateway_factory(tmp_path: Path) -> GatewayFactory:
    """Open complete gateways with a home for this test only: see `GatewayFactory`."""
    from llm_gateway_testing.gateway_factory import GatewayFactory

    return GatewayFactory(tmp_path)


@pytest.fixture
def make_program(tmp_path: Path) -> Callable[..., object] | ProgramBuilder:
    """Write small programs that imitate a CLI: see `ProgramBuilder`."""
    from llm_gateway_testing.programs import ProgramBuilder

    return ProgramBuilder(tmp_path / "programs")
