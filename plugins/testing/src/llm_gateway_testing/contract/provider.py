"""The contract of a provider. Subclass it to test your provider.

class TestMine(ProviderContract):
    plugin = my_plugin
    name = "mine"
    samples = (Sample(name="hello", stdout=b"...", text="Hello!"), Sample(name="login", ..., failure="auth_required"))

No test here runs the CLI or uses the network.
"""

from __future__ import annotations

from llm_gateway_testing.contract.provider_argv import ArgvContract
from llm_gateway_testing.contract.provider_facts import FactsContract
from llm_gateway_testing.contract.provider_flood import FloodContract
from llm_gateway_testing.contract.provider_loopback import LoopbackContract
from llm_gateway_testing.contract.provider_opens import OpensContract
from llm_gateway_testing.contract.provider_outcomes import OutcomeContract
from llm_gateway_testing.contract.provider_output import OutputContract
from llm_gateway_testing.contract.provider_resume import ResumeContract


class ProviderContract(
    FactsContract,
    ArgvContract,
    OpensContract,
    LoopbackContract,
    ResumeContract,
    OutputContract,
    OutcomeContract,
    FloodContract,
):
    """What every provider must do."""
