"""Contract suites, fixtures and imitated programs for the tests of a plugin.

pytest imports this package when it starts, so each name is loaded only when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_gateway_testing.contract.engine import EngineContract
    from llm_gateway_testing.contract.policy import PolicyContract
    from llm_gateway_testing.contract.provider import ProviderContract
    from llm_gateway_testing.contract.provider_case import Sample
    from llm_gateway_testing.contract.store import StoreContract
    from llm_gateway_testing.contract.store_machine import TwinStores
    from llm_gateway_testing.contract.transport import Caller, Told, TransportContract
    from llm_gateway_testing.gateway_factory import GatewayFactory
    from llm_gateway_testing.programs import Program, ProgramBuilder

_MODULES = {
    "Caller": "contract.transport",
    "EngineContract": "contract.engine",
    "GatewayFactory": "gateway_factory",
    "PolicyContract": "contract.policy",
    "Program": "programs",
    "ProgramBuilder": "programs",
    "ProviderContract": "contract.provider",
    "Sample": "contract.provider_case",
    "StoreContract": "contract.store",
    "Told": "contract.transport",
    "TransportContract": "contract.transport",
    "TwinStores": "contract.store_machine",
}
__all__ = [
    "Caller",
    "EngineContract",
    "GatewayFactory",
    "PolicyContract",
    "Program",
    "ProgramBuilder",
    "ProviderContract",
    "Sample",
    "StoreContract",
    "Told",
    "TransportContract",
    "TwinStores",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"llm_gateway_testing.{_MODULES[name]}"), name)
