"""Write the prebuilt listing: `python plugins/transport-mcp/make_listings.py`. A test compares the file with the plugins.

The file is described in `prebuilt.py`. Its items are the answers of the SDK's server for all plugins of the product.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio

from llm_gateway import PluginHost, find_plugins
from llm_gateway.before_opening import EntryPoint, installed_plugins, kernel_version
from llm_gateway.entry_points import is_own
from llm_gateway.gateway import Gateway
from llm_gateway_transport_mcp.manifest import results_of, works_without_request
from llm_gateway_transport_mcp.prebuilt import LISTS, facts
from llm_gateway_transport_mcp.server import build_server

FILE = Path(__file__).parent / "src/llm_gateway_transport_mcp/listings.txt"
_VERSION = "2025-11-25"


def listings() -> str:
    """Return the content of the file for the installed plugins of the product."""
    plugins = [plugin for plugin in installed_plugins({}) if is_own(plugin)]
    gateway = gateway_of(plugins)
    assert not works_without_request(gateway), (
        "a plugin with gateway_lifespan needs an entry point llm_gateway.waiting_work"
    )
    return "".join("\t".join(row) + "\n" for row in _rows(gateway, plugins))


def gateway_of(plugins: Iterable[EntryPoint], environ: Mapping[str, str] = os.environ) -> Gateway:
    """Return a gateway with these plugins that is not opened, with the default settings. It lists every provider."""
    kept = {name: value for name, value in environ.items() if not name.startswith("LLM_GATEWAY_")}
    keys = ",".join(plugin.key for plugin in plugins)
    shown = {"LLM_GATEWAY_HOME": "/nonexistent", "LLM_GATEWAY_PLUGINS": keys, "LLM_GATEWAY_SURFACE_SHOW_ABSENT": "true"}
    host, settings = find_plugins({**kept, **shown})
    return Gateway(settings, host, {**kept, **shown})


def _rows(gateway: Gateway, plugins: Iterable[EntryPoint]) -> Iterator[list[str]]:
    results = anyio.run(results_of, build_server(gateway), _VERSION)
    first = json.loads(results["initialize"])
    first |= {"protocolVersion": "@version@", "instructions": "@instructions@"}
    yield ["kernel", kernel_version()]
    yield ["initialize", _json(first)]
    yield ["instructions", _json(_instructions(gateway, absent=False))]
    yield ["instructions", _json(_instructions(gateway, absent=True))]
    for plugin in plugins:
        yield ["plugin", plugin.key, *facts(plugin)]
    for name in sorted(name for name in gateway.host.settings_sections().env if name.startswith("LLM_GATEWAY_")):
        yield ["variable", "", name]
    for provider, searches in sorted(gateway.presence.searches.items()):
        for search in searches:
            yield ["search", f"provider:{provider}", provider, _json([search.name, *search.folders])]
    for method, member in LISTS.items():
        for item in json.loads(results[method])[member]:
            yield [member, *_owner(gateway, member, item), _json(item)]


def _instructions(gateway: Gateway, *, absent: bool) -> str:
    """Return the instructions with the names of providers replaced."""
    presence = SimpleNamespace(absent={"@absent@"} if absent else set())
    stand_in: Any = SimpleNamespace(
        presence=presence,
        providers=dict.fromkeys(("@found@", "@absent@") if absent else ("@found@",)),
        operations=gateway.operations,
        defers=gateway.defers,
    )
    return str(Gateway.instructions.fget(stand_in))  # type: ignore[attr-defined]  # a property


def _owner(gateway: Gateway, member: str, item: Mapping[str, Any]) -> tuple[str, str]:
    """Return the plugin of an item, and the provider without whose program it is not listed, if any."""
    host: PluginHost = gateway.host
    if member == "tools":
        provider = gateway.operations[item["name"]].provider or ""
        of_plugins = {operation.name: plugin for plugin, operation in host.operations()}
        return of_plugins.get(item["name"], f"provider:{provider}"), provider
    if member == "prompts":
        return next(plugin for plugin, prompt in host.prompts() if prompt.name == item["name"]), ""
    address = item.get("uri") or item["uriTemplate"]
    return next(plugin for plugin, resource in host.resources() if resource.uri == address), ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    FILE.write_text(listings(), encoding="utf-8")
