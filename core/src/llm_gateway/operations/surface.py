"""The operations, resources and prompts of a gateway, from the kernel and from plugins. Each name occurs once.

A name belongs to its first owner: the kernel, then a built-in plugin, then the plugin that was loaded first. If a plugin has an
item with a name that is taken, this is reported, and the item is left out.
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
    defers: bool  #: callers can fetch an answer later


def collect(host: PluginHost) -> Surface:
    """Collect the items of all plugins, and report to the host each plugin with a name that is taken."""
    of_plugins = host.operations()
    defers = {str(operation.name) for _, operation in of_plugins} >= FOLLOW_UPS
    reserved = {item.name for info in host.providers.values() for item in request_operations(info, defers=True)}
    of_kernel = [item for info in host.providers.values() for item in request_operations(info, defers=defers)]
    operations = {item.name: item for item in of_kernel}
    operations |= first_owners(host, "operation", of_plugins, taken=reserved)
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
    """Return the item of each name.

    :param what: the kind of the items, for the report.
    :param brought: pairs of a plugin's key and its item, which has a `name`.
    :param taken: names that plugins cannot use.
    """
    reserved, found = frozenset(taken), dict[str, tuple[str, T]]()
    for plugin, item in brought:
        name: Any = getattr(item, "name", None)
        if not isinstance(name, str):
            host.report(plugin, f"{what} {name!r} was left out: its name is no text")
        elif name in reserved:
            host.report(plugin, f"{what} {name} exists already: it is the gateway's own")
        elif name not in found:
            found[name] = (plugin, item)
        else:
            holder = found[name][0]
            owner = host.older(holder, plugin)
            newcomer = holder if owner != holder else plugin
            host.report(newcomer, f"{what} {name} exists already: {host.label(owner)} keeps it")
            if owner != holder:
                found[name] = (plugin, item)
    return {name: item for name, (_, item) in found.items()}


def _resources(host: PluginHost) -> list[Resource]:
    """Return resources whose addresses do not overlap: no plugin answers for an address of another plugin."""
    kept: list[tuple[str, Resource]] = []
    for plugin, resource in host.resources():
        if not _is_usable(resource):
            host.report(
                plugin, f"resource {resource.uri!r} was left out: its address is no text, or names a variable twice"
            )
            continue
        rivals = [(owner, other) for owner, other in kept if _overlap(resource, other, same_owner=owner == plugin)]
        if any(host.older(owner, plugin) == owner for owner, _ in rivals):
            owner = next(owner for owner, _ in rivals if host.older(owner, plugin) == owner)
            host.report(plugin, f"resource {resource.uri} exists already: {host.label(owner)} keeps it")
            continue
        for owner, other in rivals:
            kept.remove((owner, other))
            host.report(owner, f"resource {other.uri} exists already: {host.label(plugin)} keeps it")
        kept.append((plugin, resource))
    return [resource for _, resource in kept]


def _overlap(first: Resource, second: Resource, *, same_owner: bool) -> bool:
    """Return whether an address could belong to both. One plugin may have a template and a fixed address that overlap."""
    if same_owner:
        return first.uri == second.uri
    return first.match(_sample(second)) is not None or second.match(_sample(first)) is not None


def _sample(resource: Resource) -> str:
    """Return an address of this resource: its template with a word instead of each variable."""
    return resource.uri.replace("{", "").replace("}", "")


def _is_usable(resource: Resource) -> bool:
    try:
        return isinstance(resource.uri, str) and resource.match(_sample(resource)) is not None
    except re.error:
        return False
