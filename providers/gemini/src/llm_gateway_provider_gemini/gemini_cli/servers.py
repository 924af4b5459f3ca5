"""Write the MCP servers of a run as settings of Gemini CLI, so that each server receives its values unchanged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llm_gateway import McpServer, Notice
from llm_gateway_provider_kit import arguments

#: Gemini CLI replaces `$NAME` in every setting, and twice in values of an environment; unknown names become empty. These texts
#: produce a `$`: they are the default value of an unknown name, and the backslash survives the second replacement.
_ONCE, _TWICE = "${LLM_GATEWAY_NO_SUCH_NAME:-$}", "${LLM_GATEWAY_NO_SUCH_NAME:-\\$}"
#: Variables that Gemini CLI does not pass to servers. Only its debug log reports that.
_NOT_PASSED = re.compile(
    r"(_FORCE_)?NODE_OPTIONS|NODE_(CLI_FLAGS|PATH)|PYTHON(PATH|STARTUP)|RUBY(OPT|LIB)|PERL5\w+|D?Y?LD_\w+|(BASH_)?ENV"
    r"|_?JAVA_(TOOL_)?OPTIONS|CLASSPATH|DOTNET_STARTUP_HOOKS|CORECLR_\w+|ELECTRON_RUN_AS_NODE",
    re.IGNORECASE,
)


def server_name(server: McpServer) -> str:
    """Return the server's name for Gemini CLI, where an underscore would end it in tool names. Raises InvalidRequest."""
    return arguments.server_name(server, "Gemini CLI").replace("_", "-")


def server_settings(servers: Sequence[McpServer]) -> tuple[dict[str, Any], list[Notice]]:
    """Return the settings, and a notice for each server that misses variables. Raises InvalidRequest for duplicate names."""
    settings: dict[str, Any] = {}
    notices = []
    for server in servers:
        name = server_name(server)
        arguments.require(name not in settings, "two of the MCP servers have the same name for Gemini CLI")
        if server.url:
            settings[name] = {"httpUrl": server.url.replace("$", _ONCE)}
            continue
        command, *args = (argument.replace("$", _ONCE) for argument in (server.command, *server.args))
        env = {key: value.replace("$", _TWICE) for key, value in server.env.items()}
        settings[name] = {"command": command, "args": args, "env": env}
        lost = sorted(key for key in env if _NOT_PASSED.fullmatch(key))
        if lost:
            message = f"Gemini CLI does not pass {', '.join(lost)} to the MCP server {server.name}"
            notices.append(
                Notice(code="mcp_env_ignored", message=message, details={"server": server.name, "env": lost})
            )
    return settings, notices
