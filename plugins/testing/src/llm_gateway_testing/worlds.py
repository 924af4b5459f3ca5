"""A whole gateway for a test: a home of its own, a store in memory, and the plugins that the test is about.

async def test_my_policy(gateway_factory):
    async with gateway_factory.open(("policy", "house", my_policy)) as gateway:
        answer = await gateway_factory.call(gateway, "echo_request", prompt="hello", posture="bypass")
        assert answer["error"]["code"] == "approval_denied"

It needs a store, an engine and, to answer anything, a provider: `pip install llm-gateway-store-memory
llm-gateway-engine-local llm-gateway-provider-echo` (the echo program needs no account and no network).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from llm_gateway import CallContext, Gateway, GatewayError, PluginHost, find_plugins, open_gateway

PATIENCE_S = 60.0
#: What a gateway of a test may know of the machine.
_SEEN = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "VIRTUAL_ENV")


class GatewayFactory:
    """Opens gateways of one home. Environment, settings and home are the test's own, never the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "gateway"
        self.work = folder / "work"
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.work.mkdir(exist_ok=True)
        self.environ = {name: os.environ[name] for name in _SEEN if name in os.environ} | {
            "HOME": str(folder),
            "LLM_GATEWAY_HOME": str(self.home),
            "LLM_GATEWAY_ECHO_HOME": str(folder / "echo"),
            "LLM_GATEWAY_STORE_URL": "memory:",
            "LLM_GATEWAY_REUSE_BUDGET_S": "20",  # a busy machine must not make the files' state unknown
        }

    @asynccontextmanager
    async def open(
        self, *plugins: tuple[str, str, object], settings: str = "", programs: Sequence[Path] = (), **environ: str
    ) -> AsyncIterator[Gateway]:
        """Open a gateway with these plugins (kind, name, module or object) beside the installed ones.

        At the end everything that still runs is canceled.

        A plugin that is installed is taken as it is installed. With `LLM_GATEWAY_PLUGINS` among `environ`, name there what else is to
        be loaded.

        :param settings: the content of config.toml.
        :param programs: folders to put before PATH, such as a pretended program's.
        :param environ: environment variables of the gateway.

        Raises AssertionError for a plugin that is refused.
        """
        surroundings = {**self.environ, **environ}
        surroundings["PATH"] = os.pathsep.join([*map(str, programs), surroundings.get("PATH", os.defpath)])
        (self.home / "config.toml").write_text(settings)
        # What is installed is found by itself, unless the test narrows what is loaded.
        narrowed = "LLM_GATEWAY_PLUGINS" in surroundings
        found = set() if narrowed else {record.key for record in PluginHost.discover(surroundings).records}
        host, read = find_plugins(surroundings, [one for one in plugins if f"{one[0]}:{one[1]}" not in found])
        refused = [f"{record.key}: {record.problem}" for record in host.records if record.problem]
        assert not refused, "; ".join(refused)
        with anyio.fail_after(PATIENCE_S):
            async with open_gateway(surroundings, (host, read)) as gateway:
                try:
                    yield gateway
                finally:
                    with anyio.CancelScope(shield=True):
                        for job in await gateway.store.unfinished():
                            await gateway.jobs.cancel(job)
                            await gateway.jobs.wait([job.id], until_all=True, timeout_s=20)

    async def call(self, gateway: Gateway, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation as a client does; the answer, or `{"error": {...}}`.

        A request's working directory is the factory's own, unless it is given.
        """
        known = gateway.operations[operation].params.model_json_schema(by_alias=True).get("properties", {})
        if "workingDir" in known:
            arguments.setdefault("workingDir", str(self.work))
        try:
            result = await gateway.call(operation, arguments, CallContext())
        except GatewayError as error:
            return {"error": error.to_wire()}
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)
