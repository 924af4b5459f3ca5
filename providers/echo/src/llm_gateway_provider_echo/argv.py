"""Build the command of a request. Pure.

Every value is part of one argument, `--name=value`, so no value of a caller can be read as a flag. The prompt goes to stdin,
where it is not parsed and the system does not limit its length.
"""

import json

from llm_gateway import RUN_FILES, Invocation, McpServer, Posture, Request, Resume
from llm_gateway_provider_echo.options import EchoOptions

EXECUTABLE = "llm-gateway-echo"
MCP_FILE = "mcp.json"


def build_invocation(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """Return the command."""
    options = request.options if isinstance(request.options, EchoOptions) else EchoOptions.model_validate({})
    argv = [EXECUTABLE]
    if resume.native_id:
        argv.append(f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}")
    argv.append(f"--posture={posture.value}")
    if request.model:
        argv.append(f"--model={request.model}")
    argv += [f"--add-dir={path}" for path in request.add_dirs]
    argv += [f"--allow-tool={name}" for name in request.allowed_tools]
    argv += [f"--deny-tool={name}" for name in request.disallowed_tools]
    files = {}
    if request.mcp_servers:
        # In a file: a server's environment may hold a secret, and every user can read argv.
        files[MCP_FILE] = mcp_config(request.mcp_servers)
        argv.append(f"--mcp-config={RUN_FILES}/{MCP_FILE}")
    argv += option_flags(options)
    return Invocation(argv=tuple(argv), stdin=request.prompt.text.encode("utf-8", "surrogatepass"), files=files)


def option_flags(options: EchoOptions) -> list[str]:
    """Return the flags of the provider's own parameters, without those that have their default."""
    defaults = EchoOptions.model_validate({})
    names = ("scenario", "amount", "delay_ms", "on_term")
    changed = [name for name in names if getattr(options, name) != getattr(defaults, name)]
    return [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in changed]


def mcp_config(servers: tuple[McpServer, ...]) -> bytes:
    """Return the MCP servers of a run in the form that most agents read."""
    config: dict[str, dict[str, object]] = {}
    for server in servers:
        if server.url:
            config[server.name] = {"url": server.url}
        else:
            config[server.name] = {
                "command": server.command,
                "args": list(server.args),
                "env": dict(server.env),
            }
    return json.dumps({"mcpServers": config}).encode()
