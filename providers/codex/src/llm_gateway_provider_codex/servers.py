"""MCP servers as settings of one run. Codex takes them on its command line alone, so what is secret goes by file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from urllib.parse import urlsplit

from llm_gateway import RUN_FILES, McpServer, error_for

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
#: A server sees little more than PATH and HOME by itself. The first two bound recursion, and let its processes be found;
#: the others are the way out of this machine.
_PASSED = (
    *("LLM_GATEWAY_DEPTH", "LLM_GATEWAY_JOB", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *_PROXIES,
    *map(str.upper, _PROXIES),
)
#: Takes in the file that it is given first, and becomes the rest.
_WITH_FILE = '. "$0" && exec "$@"'


def settings(servers: Iterable[McpServer], files: dict[str, bytes], *, approved: bool) -> dict[str, object]:
    """What is to be set; files that are needed are added to `files`. Raises InvalidRequest.

    :param approved: every tool may be used; else only those that say that they just read.
    """
    said: dict[str, object] = {}
    for server in servers:
        _check(_NAME.fullmatch(server.name), f"Codex cannot hold an MCP server of this name: {server.name[:80]!r}")
        approval = {_APPROVAL: "approve"} if approved else {}
        for key, value in {**_address(server, files), **_AWAITED, **approval}.items():
            said[f"mcp_servers.{server.name}.{key}"] = value
    return said


_APPROVAL = "default_tools_approval_mode"
#: Else a turn begins about a second after the start, and the tools of a server that needs longer are silently missing.
_AWAITED: dict[str, object] = {"required": True, "startup_timeout_sec": 30}


def _address(server: McpServer, files: dict[str, bytes]) -> dict[str, object]:
    if server.url:
        parts = urlsplit(server.url)
        _check(
            not parts.username and not parts.password and not parts.query,
            f"the URL of {server.name} would stand on Codex's command line: it may hold neither a password nor a query",
        )
        return {"url": server.url}
    passed: dict[str, object] = {"env_vars": list(_PASSED)}
    if not server.env:
        return {"command": server.command, "args": list(server.args), **passed}
    for name in server.env:
        _check(_VARIABLE.fullmatch(name), f"not the name of an environment variable: {name[:80]!r}")
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in server.env.items()]
    files[f"mcp-{server.name}.env"] = "".join(lines).encode()
    args = ["-c", _WITH_FILE, f"{RUN_FILES}/mcp-{server.name}.env", server.command, *server.args]
    return {"command": "/bin/sh", "args": args, **passed}


def _check(right: object, message: str) -> None:
    if not right:
        raise error_for("invalid_request", message)
