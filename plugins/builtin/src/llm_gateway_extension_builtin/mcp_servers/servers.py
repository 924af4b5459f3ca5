"""The servers that are known by name: how each is started, and what it needs. Pure.

One without its program or key is listed too, so that callers learn how to get it. Keys come from the
gateway's own environment and go into the server's, nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llm_gateway import McpServer, config_file, gateway_command, home_directory

#: The variables that a gateway inside of a run needs to use the same home. The kernel adds the depth.
_GATEWAY_ENV: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "LLM_GATEWAY_HOME": home_directory,
    "LLM_GATEWAY_CONFIG": config_file,
    "LLM_GATEWAY_PLUGINS": lambda environ: environ["LLM_GATEWAY_PLUGINS"],
}

Which = Callable[[str], "str | None"]


def known_servers(environ: Mapping[str, str], which: Which) -> list[McpServer]:
    """Name them.

    :param which: finds a program, as `shutil.which` does.
    """
    return [
        # https://github.com/verivus-oss/sqry
        McpServer(
            name="sqry",
            command="sqry-mcp",
            setup="Install sqry (`cargo install sqry-cli sqry-mcp`) and index the project (`sqry index .`).",
        ),
        _exa(environ, which),
        _ref(environ, which),
        # Nothing public documents it; the name of its program is what another gateway starts.
        McpServer(
            name="trstr",
            command="trstr-mcp",
            setup="Put its program trstr-mcp on the gateway's PATH, or name yours under [mcp_servers.trstr].",
        ),
        McpServer(
            name="llm_gateway",
            command=gateway_command()[0],
            args=(*gateway_command()[1:], "serve"),
            env={name: value(environ) for name, value in _GATEWAY_ENV.items() if environ.get(name)},
        ),
    ]


def _exa(environ: Mapping[str, str], which: Which) -> McpServer:
    """https://docs.exa.ai/reference/exa-mcp: the hosted server answers without a key, within limits."""
    if environ.get("EXA_API_KEY"):
        return _of_npm("exa", "exa-mcp-server", {"EXA_API_KEY": environ["EXA_API_KEY"]}, which)
    return McpServer(name="exa", url="https://mcp.exa.ai/mcp")


def _ref(environ: Mapping[str, str], which: Which) -> McpServer:
    """https://docs.ref.tools/install: the hosted server wants its key in a header or in the address, the local one does not."""
    if environ.get("REF_API_KEY"):
        return _of_npm("ref_tools", "ref-tools-mcp", {"REF_API_KEY": environ["REF_API_KEY"]}, which)
    setup = "Give the gateway a REF_API_KEY in its environment (from https://ref.tools/keys)."
    return McpServer(name="ref_tools", setup=setup)


def _of_npm(name: str, package: str, env: Mapping[str, str], which: Which) -> McpServer:
    """What is installed is started; else npx fetches it, for every run the newest."""
    setup = f"Install Node.js, or the server itself: npm install -g {package}."
    if which(package):
        return McpServer(name=name, command=package, env=env, setup=setup)
    return McpServer(name=name, command="npx", args=("-y", f"{package}@latest"), env=env, setup=setup)
