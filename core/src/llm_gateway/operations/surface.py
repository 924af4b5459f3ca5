"""What a gateway shows to callers: the kernel's own operations, and what plugins bring, each name once.

A name belongs to its first owner: the kernel, then a plugin that comes with the product, then whoever was loaded first. A plugin
that brings a name which is taken is reported, and what it brought under that name is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from llm_gateway.model.operation import Operation, PromptTemplate, Resource
from llm_gateway.model.request import McpServer
from llm_gateway.operations.requests import FOLLOW_UPS, request_operations

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Everything that callers can name."""

    operations: Mapping[str, Operation]
    resources: tuple[Resource, ...]
    prompts: tuple[PromptTemplate, ...]
    mcp_servers: Mapping[str, McpServer]
    defers: bool  #: callers can come back for an answer


def collect(host: PluginHost) -> Surface:
    """Ask all plugins what they bring, and report to the host whoever brings a name that is taken."""
    brought = host.operations()
    defers = {str(operation.name) for _, operation in brought} >= FOLLOW_UPS
    own = {one.name for info in host.providers.values() for one in request_operations(info, defers=True)}
    kernel = [one for info in host.providers.values() for one in request_operations(info, defers=defers)]
    operations = {one.name: one for one in kernel} | first_owners(host, "operation", brought, taken=own)
    return Surface(
        operations=dict(sorted(operations.items())),
        resources=tuple(_resources(host)),
        prompts=tuple(first_owners(host, "prompt", host.prompts()).values()),
        mcp_servers=first_owners(host, "MCP server", host.mcp_servers()),
        defers=defers,
    )


def first_owners(
    host: PluginHost, what: str, brought: Iterable[tuple[str, T]], *, taken: Iterable[str] = ()
) -> dict[str, T]:
    """What stands under each name.

    :param what: what is named, for the report.
    :param brought: plugin's key and what it brought, which has a `name`.
    :param taken: names that nobody can bring.
    """
    kernels, found = frozenset(taken), dict[str, tuple[str, T]]()
    for plugin, one in brought:
        name: Any = getattr(one, "name", None)
        if not isinstance(name, str):
            host.report(plugin, f"{what} {name!r} was left out: its name is no text")
        elif name in kernels:
            host.report(plugin, f"{what} {name} exists already: it is the gateway's own")
        elif name not in found:
            found[name] = (plugin, one)
        else:
            holder = found[name][0]
            owner = host.older(holder, plugin)
            newcomer = holder if owner != holder else plugin
            host.report(newcomer, f"{what} {name} exists already: {host.label(owner)} keeps it")
            if owner != holder:
                found[name] = (plugin, one)
    return {name: one for name, (_, one) in found.items()}


def _resources(host: PluginHost) -> list[Resource]:
    """Resources whose addresses mean one thing each: no plugin answers for an address of another's."""
    kept: list[tuple[str, Resource]] = []
    for plugin, one in host.resources():
        if not _is_usable(one):
            host.report(plugin, f"resource {one.uri!r} was left out: its address is no text, or names a variable twice")
            continue
        rivals = [(owner, other) for owner, other in kept if _overlap(one, other, same_owner=owner == plugin)]
        if any(host.older(owner, plugin) == owner for owner, _ in rivals):
            owner = next(owner for owner, _ in rivals if host.older(owner, plugin) == owner)
            host.report(plugin, f"resource {one.uri} exists already: {host.label(owner)} keeps it")
            continue
        for owner, other in rivals:
            kept.remove((owner, other))
            host.report(owner, f"resource {other.uri} exists already: {host.label(plugin)} keeps it")
        kept.append((plugin, one))
    return [one for _, one in kept]


def _overlap(one: Resource, other: Resource, *, same_owner: bool) -> bool:
    """Whether an address could be either's. A plugin's own template may stand beside its own fixed address."""
    if same_owner:
        return one.uri == other.uri
    return one.match(_sample(other)) is not None or other.match(_sample(one)) is not None


def _sample(resource: Resource) -> str:
    """An address of this resource: its template with a word in the place of each variable."""
    return resource.uri.replace("{", "").replace("}", "")


def _is_usable(resource: Resource) -> bool:
    try:
        return isinstance(resource.uri, str) and resource.match(_sample(resource)) is not None
    except re.error:
        return False
