"""The manifest of the handshake cache: the answers of the SDK's own server, stored for the next start."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import anyio
from anyio import to_thread
from mcp.server.lowlevel import Server
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from llm_gateway import Gateway
from llm_gateway.before_opening import waiting_work_checks
from llm_gateway.files import make_private, write_atomic
from llm_gateway_transport_mcp import handshake_cache, handshake_key
from llm_gateway_transport_mcp.conversation import converse
from llm_gateway_transport_mcp.prebuilt import LISTS
from llm_gateway_transport_mcp.wire import LineTooLong, Wire

_CLIENT = {"capabilities": {}, "clientInfo": {"name": "llm-gateway", "version": "0"}}


async def results_of(server: Server[Any], version: str) -> dict[str, str]:
    """Return this server's answers in one protocol revision: method -> the result, as JSON text."""
    methods = dict(enumerate(("initialize", *LISTS)))
    results: dict[str, str] = {}
    complete = anyio.Event()

    async def lines() -> AsyncIterator[bytes | LineTooLong]:
        yield _line("initialize", {"protocolVersion": version, **_CLIENT}, 0)
        yield _line("notifications/initialized", None, None)
        for number in list(methods)[1:]:
            yield _line(methods[number], {}, number)
        await complete.wait()

    async def receive(line: bytes) -> None:
        message = json.loads(line)
        head = f'{{"jsonrpc":"2.0","id":{message.get("id")},"result":'
        if "result" in message:
            assert line.startswith(head.encode()), "the SDK writes the members of its answers in another order"
            results[methods[message["id"]]] = line[len(head) : -2].decode()
        if message.get("id") == len(methods) - 1 or len(results) == len(methods):
            complete.set()

    await converse(server, Wire(lines=lines(), send=receive))
    return results


def _line(method: str, params: Mapping[str, object] | None, request_id: int | None) -> bytes:
    message: dict[str, object] = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        message["params"] = params
    if request_id is not None:
        message["id"] = request_id
    return json.dumps(message).encode()


def program_states(gateway: Gateway) -> list[str]:
    """Return the states of the programs on which the listed tools depend, from the gateway's last search."""
    states = {(search.name, *search.folders): found for search, found in gateway.presence.programs.items()}
    return handshake_key.state_lines(states)


def works_without_request(gateway: Gateway) -> bool:
    """Return whether a plugin works as long as a gateway is open, and offers no check whether it has anything to do."""
    checked = set(waiting_work_checks())
    return any("gateway_lifespan" in one.hooks and one.name not in checked for one in gateway.host.records)


async def refresh(server: Server[Any], gateway: Gateway) -> bool:
    """Write the manifest if the stored one is missing or outdated. Returns whether it was written.

    It is not written if a program appears or disappears meanwhile: the answers would belong to two different states.
    """
    programs = program_states(gateway)
    searches = [[search.name, *search.folders] for search in gateway.presence.programs]
    results = {version: await results_of(server, version) for version in HANDSHAKE_PROTOCOL_VERSIONS}
    if program_states(gateway) != programs:
        return False
    key = handshake_key.key(gateway.environ, handshake_cache.code_at_start(), programs)
    manifest = {
        "key": key,
        "searches": sorted(searches),
        "results": results,
        "needs_gateway": works_without_request(gateway),
    }
    return await to_thread.run_sync(_write, manifest, gateway.environ)


def _write(manifest: Mapping[str, object], environ: Mapping[str, str]) -> bool:
    path = handshake_key.manifest_path(environ)
    data = json.dumps(manifest, ensure_ascii=False).encode("utf-8", "surrogatepass")
    if handshake_key.read_private(path) == data:
        return False
    make_private(os.path.dirname(path))
    os.chmod(os.path.dirname(path), 0o700)
    write_atomic(path, data)
    _remove_old(handshake_key.old_manifest_path(environ))
    return True


def _remove_old(path: str) -> None:
    """Remove the manifest of an earlier version, and its folder if it is empty."""
    with suppress(OSError):
        os.unlink(path)
    with suppress(OSError):
        os.rmdir(os.path.dirname(path))
