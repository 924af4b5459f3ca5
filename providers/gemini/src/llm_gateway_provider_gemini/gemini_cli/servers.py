"""MCP servers of a run, as Gemini CLI's settings hold them, so that what was said is what the server gets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llm_gateway import McpServer, Notice
from llm_gateway_provider_gemini.checking import check

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Gemini CLI replaces `$NAME` in every setting, in values of an environment twice: unknown ones by nothing at all. This is
#: the default of a name that nobody has, and a backslash survives the second time.
_ONCE, _TWICE = "${LLM_GATEWAY_NO_SUCH_NAME:-$}", "${LLM_GATEWAY_NO_SUCH_NAME:-\\$}"
#: What it keeps from servers, with a word in its debug log alone.
_KEPT_BACK = re.compile(
    r"(_FORCE_)?NODE_OPTIONS|NODE_(CLI_FLAGS|PATH)|PYTHON(PATH|STARTUP)|RUBY(OPT|LIB)|PERL5\w+|D?Y?LD_\w+|(BASH_)?ENV"
    r"|_?JAVA_(TOOL_)?OPTIONS|CLASSPATH|DOTNET_STARTUP_HOOKS|CORECLR_\w+|ELECTRON_RUN_AS_NODE",
    re.IGNORECASE,
)


def server_name(server: McpServer) -> str:
    """Its name as Gemini CLI can hold it: an underscore would end it in the names of its tools. Raises InvalidRequest."""
    check(_NAME.fullmatch(server.name), f"Gemini CLI cannot hold an MCP server of this name: {server.name[:80]!r}")
    return server.name.replace("_", "-")


def server_settings(servers: Sequence[McpServer]) -> tuple[dict[str, Any], list[Notice]]:
    """The servers as settings, and what they will miss. Raises InvalidRequest for two of the same name."""
    settings: dict[str, Any] = {}
    notices = []
    for server in servers:
        name = server_name(server)
        check(name not in settings, "two of the MCP servers have the same name for Gemini CLI")
        if server.url:
            settings[name] = {"httpUrl": server.url.replace("$", _ONCE)}
            continue
        command, *args = (word.replace("$", _ONCE) for word in (server.command, *server.args))
        env = {key: value.replace("$", _TWICE) for key, value in server.env.items()}
        settings[name] = {"command": command, "args": args, "env": env}
        if lost := sorted(key for key in env if _KEPT_BACK.fullmatch(key)):
            message = f"Gemini CLI keeps {', '.join(lost)} from the MCP server {server.name}"
            notices.append(
                Notice(code="mcp_env_ignored", message=message, details={"server": server.name, "env": lost})
            )
    return settings, notices
