"""MCP servers as settings of one run. Codex accepts them only on its command line, so secrets go into files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from urllib.parse import urlsplit

from llm_gateway import RUN_FILES, McpServer
from llm_gateway_provider_kit import arguments

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
#: By default, a server sees little more than PATH and HOME. The first two variables limit recursion and mark the processes of
#: the job; the others are needed for network access.
_PASSED = (
    *("LLM_GATEWAY_DEPTH", "LLM_GATEWAY_JOB", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *_PROXIES,
    *map(str.upper, _PROXIES),
)
#: Shell code that sources the file in its first argument, then executes the remaining arguments.
_WITH_FILE = '. "$0" && exec "$@"'


def settings(
    servers: Iterable[McpServer], files: dict[str, bytes], *, approved: bool, required: bool = True
) -> dict[str, object]:
    """Return the settings; add the files that they need to `files`. Raises InvalidRequest.

    :param approved: True: the run may use every tool; False: only tools that are annotated as read-only.
    :param required: True: the run waits for the servers, and fails without them.
    """
    config: dict[str, object] = {}
    for server in servers:
        arguments.server_name(server, "Codex")
        settings = {**_address(server, files), **(_AWAITED if required else {})}
        if approved:
            settings[_APPROVAL] = "approve"
        for key, value in settings.items():
            config[f"mcp_servers.{server.name}.{key}"] = value
    return config


_APPROVAL = "default_tools_approval_mode"
#: Otherwise a turn begins about a second after the start, and the tools of slower servers are silently missing.
_AWAITED: dict[str, object] = {"required": True, "startup_timeout_sec": 30}


def _address(server: McpServer, files: dict[str, bytes]) -> dict[str, object]:
    if server.url:
        parts = urlsplit(server.url)
        arguments.require(
            not parts.username and not parts.password and not parts.query,
            f"the URL of {server.name} would be visible on Codex's command line: remove its password and query",
        )
        return {"url": server.url}
    passed: dict[str, object] = {"env_vars": list(_PASSED)}
    if not server.env:
        return {"command": server.command, "args": list(server.args), **passed}
    for name in server.env:
        arguments.require(_VARIABLE.fullmatch(name), f"not a name of an environment variable: {name[:80]!r}")
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in server.env.items()]
    files[f"mcp-{server.name}.env"] = "".join(lines).encode()
    args = ["-c", _WITH_FILE, f"{RUN_FILES}/mcp-{server.name}.env", server.command, *server.args]
    return {"command": "/bin/sh", "args": args, **passed}
