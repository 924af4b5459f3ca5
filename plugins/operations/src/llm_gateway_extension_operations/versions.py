"""List the installed program of each provider: path, version, login."""

from __future__ import annotations

from typing import Any

import anyio

from llm_gateway import CallContext, Gateway, ProviderInfo, Wire, look_at_provider, operation
from llm_gateway_extension_operations.limits import limits_of
from llm_gateway_extension_operations.parameters import OneProvider
from llm_gateway_extension_operations.providers import chosen_providers

#: Fields with paths of this machine, which remote callers do not receive.
_LOCAL = ("path", "problem", "recovery")


class VersionParams(Wire):
    """The provider whose program to inspect."""

    provider: OneProvider = None


class VersionList(Wire):
    """The facts about each provider's program."""

    providers: list[dict[str, Any]]


async def versions(gateway: Gateway, params: VersionParams, context: CallContext) -> VersionList:
    """List each agent's program: installed or not, path, version, login, known limits, and how to install it or log in. Use it after not_installed or auth errors."""
    chosen = chosen_providers(gateway, params.provider)
    found: dict[str, dict[str, Any]] = {}

    async def collect(info: ProviderInfo) -> None:
        found[info.name] = await look_at_provider(info, gateway.settings, gateway.environ)
        known = await limits_of(gateway, info.name)
        if known:
            found[info.name]["limits"] = known

    async with anyio.create_task_group() as tasks:
        for info in chosen:
            tasks.start_soon(collect, info)
    hidden = _LOCAL if context.remote else ()
    shown = [{name: value for name, value in found[info.name].items() if name not in hidden} for info in chosen]
    return VersionList(providers=shown)


VERSION_OPERATIONS = [operation("cli_versions", "CLI versions", versions, VersionParams, VersionList)]
