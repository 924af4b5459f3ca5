"""What the handshake cache may say, asked of the SDK's server itself and written down for the next start."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import anyio
from anyio import to_thread
from mcp.server.lowlevel import Server
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from llm_gateway.files import make_private, write_atomic
from llm_gateway_transport_mcp import handshake_cache
from llm_gateway_transport_mcp.conversation import converse
from llm_gateway_transport_mcp.wire import LineTooLong, Wire

_CLIENT = {"capabilities": {}, "clientInfo": {"name": "llm-gateway", "version": "0"}}


async def results_of(server: Server[Any], version: str) -> dict[str, str]:
    """What this server answers in one protocol revision: method -> the result, as it stands on the wire."""
    asked = dict(enumerate(("initialize", *handshake_cache.LISTS)))
    told: dict[str, str] = {}
    complete = anyio.Event()

    async def lines() -> AsyncIterator[bytes | LineTooLong]:
        yield _line("initialize", {"protocolVersion": version, **_CLIENT}, 0)
        yield _line("notifications/initialized", None, None)
        for number in list(asked)[1:]:
            yield _line(asked[number], {}, number)
        await complete.wait()

    async def send(line: bytes) -> None:
        message = json.loads(line)
        head = f'{{"jsonrpc":"2.0","id":{message.get("id")},"result":'
        if "result" in message:
            assert line.startswith(head.encode()), "the SDK spells its answers in another order"
            told[asked[message["id"]]] = line[len(head) : -2].decode()
        if message.get("id") == len(asked) - 1 or len(told) == len(asked):
            complete.set()

    await converse(server, Wire(lines=lines(), send=send))
    return told


def _line(method: str, params: Mapping[str, object] | None, request_id: int | None) -> bytes:
    message: dict[str, object] = {"jsonrpc": "2.0", "method": method}
    if params is not None:
        message["params"] = params
    if request_id is not None:
        message["id"] = request_id
    return json.dumps(message).encode()


async def refresh(server: Server[Any], environ: Mapping[str, str]) -> bool:
    """Write the manifest if there is none, or none that is still true; whether it was written."""
    results = {version: await results_of(server, version) for version in HANDSHAKE_PROTOCOL_VERSIONS}
    return await to_thread.run_sync(
        _write,
        handshake_cache.manifest_path(environ),
        handshake_cache.key(environ, handshake_cache.code_at_start()),
        results,
    )


def _write(path: str, key: list[str], results: Mapping[str, Mapping[str, str]]) -> bool:
    text = json.dumps({"key": key, "results": results}, ensure_ascii=False)
    data = text.encode("utf-8", "surrogatepass")
    if handshake_cache.read_private(path) == data:
        return False
    make_private(os.path.dirname(path))
    os.chmod(os.path.dirname(path), 0o700)
    write_atomic(path, data)
    return True
