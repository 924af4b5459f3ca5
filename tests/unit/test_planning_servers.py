"""Which MCP servers a run is given."""

import sys

import pytest

from llm_gateway import McpServer
from llm_gateway.errors import UnknownMcpServer
from llm_gateway.planning.servers import choose_servers

REGISTRY = {
    "here": McpServer(name="here", command=sys.executable),
    "far": McpServer(name="far", url="https://example.test/mcp"),
    "gone": McpServer(name="gone", command="no-such-program-anywhere", setup="Install it from its maker."),
    "again": McpServer(name="again", command="/usr/bin/llm-gateway", args=("serve",)),
    "module": McpServer(name="module", command=sys.executable, args=("-m", "llm_gateway.cli", "serve")),
}


def test_what_is_named_is_given_once() -> None:
    given, report = choose_servers(["far", "here", "far"], ["gone"], REGISTRY, held=True)
    assert [server.name for server in given] == ["far", "here"]
    assert report == {"requested": ["far", "here"], "enabled": ["far", "here"], "missing": [], "trackingOnly": False}


def test_a_default_that_is_not_there_is_left_out_with_a_note() -> None:
    given, report = choose_servers(None, ["gone", "unheard_of", "here"], REGISTRY, held=True)
    assert [server.name for server in given] == ["here"]
    assert report["missing"] == ["gone", "unheard_of"]


def test_a_named_server_that_is_not_there_is_an_error_that_says_how_to_get_it() -> None:
    with pytest.raises(UnknownMcpServer, match="gone, unheard_of") as caught:
        choose_servers(["gone", "unheard_of", "here"], [], REGISTRY, held=True)
    assert caught.value.recovery is not None
    assert "gone: Install it from its maker." in caught.value.recovery
    assert "[mcp_servers.<name>]" in caught.value.recovery


def test_a_provider_that_cannot_hold_servers_gets_none_and_the_report_says_so() -> None:
    given, report = choose_servers(None, ["here"], REGISTRY, held=False)
    assert given == ()
    assert report == {"requested": ["here"], "enabled": [], "missing": [], "trackingOnly": True}


@pytest.mark.parametrize("name", ["again", "module"])
def test_lesson_77_this_gateway_is_given_to_a_run_only_by_name(name: str) -> None:
    assert choose_servers(None, [name, "here"], REGISTRY, held=True)[1]["requested"] == ["here"]
    assert choose_servers([name], [], {**REGISTRY, "again": REGISTRY["module"]}, held=True)[1]["enabled"] == [name]
