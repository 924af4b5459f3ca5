"""A complete gateway for a test: a new home, a store in memory, and the plugins under test.

async def test_my_policy(gateway_factory):
    async with gateway_factory.open(("policy", "mine", my_policy)) as gateway:
        answer = await gateway_factory.call(gateway, "echo_request", prompt="hello", posture="bypass")
        assert answer["error"]["code"] == "approval_denied"

It needs a store, an engine and, to run a request, a provider: `pip install llm-gateway-store-memory
llm-gateway-engine-local llm-gateway-provider-echo`. The echo program needs no account and no network.
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
#: The environment variables that a gateway in a test inherits.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "PYTHONPATH", "VIRTUAL_ENV")


class GatewayFactory:
    """Opens gateways of one home. Environment, settings and home belong to the test, never to the user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "gateway"
        self.work = folder / "work"
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.work.mkdir(exist_ok=True)
        self.environ = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "HOME": str(folder),
            "LLM_GATEWAY_HOME": str(self.home),
            "LLM_GATEWAY_ECHO_HOME": str(folder / "echo"),
            "LLM_GATEWAY_STORE_URL": "memory:",
            "LLM_GATEWAY_REUSE_BUDGET_S": "20",  # on a busy machine, reading the state of the files takes longer
        }

    @asynccontextmanager
    async def open(
        self, *plugins: tuple[str, str, object], settings: str = "", programs: Sequence[Path] = (), **environ: str
    ) -> AsyncIterator[Gateway]:
        """Open a gateway with these plugins (kind, name, module or object) in addition to the installed ones.

        On exit, jobs that still run are canceled.

        If a plugin of the same kind and name is installed, the installed one is used. `LLM_GATEWAY_PLUGINS` in `environ`
        restricts which installed plugins are loaded.

        :param settings: the content of config.toml.
        :param programs: folders to put at the start of PATH, such as `Program.folder`.
        :param environ: environment variables of the gateway.

        Raises AssertionError if a plugin cannot be loaded.
        """
        variables = {**self.environ, **environ}
        variables["PATH"] = os.pathsep.join([*map(str, programs), variables.get("PATH", os.defpath)])
        (self.home / "config.toml").write_text(settings)
        # The gateway finds installed plugins itself, unless the test restricts them.
        found: set[str] = set()
        if "LLM_GATEWAY_PLUGINS" not in variables:
            found = {record.key for record in PluginHost.discover(variables).records}
        added = [(kind, name, plugin) for kind, name, plugin in plugins if f"{kind}:{name}" not in found]
        host, read = find_plugins(variables, added)
        refused = [f"{record.key}: {record.problem}" for record in host.records if record.problem]
        assert not refused, "; ".join(refused)
        with anyio.fail_after(PATIENCE_S):
            async with open_gateway(variables, (host, read)) as gateway:
                try:
                    yield gateway
                finally:
                    with anyio.CancelScope(shield=True):
                        for job in await gateway.store.unfinished():
                            await gateway.jobs.cancel(job)
                            await gateway.jobs.wait([job.id], until_all=True, timeout_s=20)

    async def call(self, gateway: Gateway, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation as a client does. Return the result, or `{"error": {...}}`.

        If the operation has a `workingDir` and none is given, it is `self.work`.
        """
        known = gateway.operations[operation].params.model_json_schema(by_alias=True).get("properties", {})
        if "workingDir" in known:
            arguments.setdefault("workingDir", str(self.work))
        try:
            result = await gateway.call(operation, arguments, CallContext())
        except GatewayError as error:
            return {"error": error.to_wire()}
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)
