"""The servers that are known by name."""

from __future__ import annotations

from llm_gateway import McpServer, gateway_command
from llm_gateway_extension_builtin.mcp_servers.servers import known_servers

SECRET = "canary-8d20"


def servers(*programs: str, **environ: str) -> dict[str, McpServer]:
    found = known_servers(environ, lambda name: f"/bin/{name}" if name in programs else None)
    return {server.name: server for server in found}


def test_these_are_known() -> None:
    assert list(servers()) == ["sqry", "exa", "ref_tools", "trstr", "llm_gateway"]


def test_exa_is_asked_where_it_is_hosted_until_there_is_a_key() -> None:
    assert servers()["exa"].url == "https://mcp.exa.ai/mcp"
    keyed = servers(EXA_API_KEY=SECRET)["exa"]
    assert (keyed.url, keyed.command, keyed.args) == (None, "npx", ("-y", "exa-mcp-server@latest"))
    assert keyed.env == {"EXA_API_KEY": SECRET}


def test_without_its_key_ref_is_not_available_and_says_what_it_needs() -> None:
    bare = servers()["ref_tools"]
    assert (bare.command, bare.url) == ("", None)
    assert "REF_API_KEY" in bare.setup
    assert servers(REF_API_KEY=SECRET)["ref_tools"].env == {"REF_API_KEY": SECRET}


def test_an_installed_server_is_not_fetched() -> None:
    assert servers("ref-tools-mcp", REF_API_KEY=SECRET)["ref_tools"].command == "ref-tools-mcp"


def test_a_key_is_in_no_argument_and_no_address() -> None:
    for server in servers(EXA_API_KEY=SECRET, REF_API_KEY=SECRET).values():
        assert SECRET not in f"{server.command} {server.args} {server.url} {server.setup}"


def test_whatever_may_be_missing_says_what_to_do() -> None:
    for server in servers(EXA_API_KEY=SECRET).values():
        assert server.setup or server.url or server.command == gateway_command()[0]


def test_lesson_77_a_gateway_inside_of_a_run_is_the_same_gateway() -> None:
    given = servers(LLM_GATEWAY_HOME="/home/of/it", LLM_GATEWAY_LIMITS_MAX_DEPTH="9", SOME_KEY=SECRET)["llm_gateway"]
    assert given.args == (*gateway_command()[1:], "serve")
    assert given.env == {"LLM_GATEWAY_HOME": "/home/of/it"}
