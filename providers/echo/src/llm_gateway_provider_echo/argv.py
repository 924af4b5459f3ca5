"""From a request to a command line. Pure.

Every value travels as `--name=value`, one element: nothing that a caller writes can be read as a flag of its own. The prompt
travels by stdin, where no parser looks at it and no limit of the system cuts it.
"""

import json

from llm_gateway import RUN_FILES, Invocation, McpServer, Posture, Request, Resume
from llm_gateway_provider_echo.options import EchoOptions

EXECUTABLE = "llm-gateway-echo"
MCP_FILE = "mcp.json"


def build_invocation(request: Request, posture: Posture, resume: Resume) -> Invocation:
    """Say what is to be executed."""
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
        # A file, because a server's environment may hold a secret: argv is for everyone to see.
        files[MCP_FILE] = mcp_config(request.mcp_servers)
        argv.append(f"--mcp-config={RUN_FILES}/{MCP_FILE}")
    argv += option_flags(options)
    return Invocation(argv=tuple(argv), stdin=request.prompt.text.encode("utf-8", "surrogatepass"), files=files)


def option_flags(options: EchoOptions) -> list[str]:
    """Spell the provider's own parameters; what has its default is not said."""
    usual = EchoOptions.model_validate({})
    names = ("scenario", "amount", "delay_ms", "on_term")
    said = {name: getattr(options, name) for name in names if getattr(options, name) != getattr(usual, name)}
    return [f"--{name.replace('_', '-')}={value}" for name, value in said.items()]


def mcp_config(servers: tuple[McpServer, ...]) -> bytes:
    """The MCP servers of a run, in the form that most agents read."""
    config = {
        server.name: {"url": server.url}
        if server.url
        else {"command": server.command, "args": list(server.args), "env": dict(server.env)}
        for server in servers
    }
    return json.dumps({"mcpServers": config}).encode()
