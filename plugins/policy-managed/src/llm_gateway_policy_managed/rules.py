"""What is weighed, and with which consequence: one table. `docs/explanation/approvals.md` explains each line.

A rule finds things in a proposal; found nothing, it does not apply. The gravest consequence of those that apply decides.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from ipaddress import ip_address
from urllib.parse import urlsplit

from llm_gateway import Access, McpServer, Posture, Proposal
from llm_gateway.programs import starts_gateway
from llm_gateway_policy_managed.places import home, inside, is_sensitive, opens_sensitive, real
from llm_gateway_policy_managed.tools import opened


class Consequence(IntEnum):
    """What follows from a rule that applies; the later one is the graver."""

    ALLOW = 0  #: passes, and the reason is shown
    LOWER = 1  #: passes with a lower posture
    ASK = 2  #: a human decides
    DENY = 3


ALLOW, LOWER, ASK, DENY = Consequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the table."""

    name: str
    strict: Consequence
    balanced: Consequence
    permissive: Consequence
    reason: str  #: for the caller; {found} is what was found
    finds: Callable[[Proposal], Iterable[str]]

    def at(self, strictness: str) -> Consequence:
        """The consequence; a strictness that is not known is taken for the strictest."""
        return {"balanced": self.balanced, "permissive": self.permissive}.get(strictness, self.strict)


#: Beyond these a run is long, or dear, and the human may want to know.
LONG_S = 4 * 3600.0
DEAR_USD = 20.0

#: Variables that send a model's traffic elsewhere, and those by which foreign code gets into a program.
REDIRECTING = ("*_BASE_URL", "*_API_BASE", "*_API_URL", "*_ENDPOINT", "*_PROVIDERS")
INJECTING = (
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "DYLD_*",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "BASH_ENV",
)


def _posture(level: Posture, *, bypass_allowed: bool | None = None) -> Callable[[Proposal], Iterator[str]]:
    def find(proposal: Proposal) -> Iterator[str]:
        if proposal.posture is level and bypass_allowed in (None, proposal.bypass_allowed):
            yield level.value

    return find


def _tools(access: Access) -> Callable[[Proposal], Iterator[str]]:
    def find(proposal: Proposal) -> Iterator[str]:
        return (one.entry for one in opened(proposal) if one.access is access)

    return find


def _given(proposal: Proposal) -> tuple[str, ...]:
    return (proposal.request.working_dir, *proposal.request.add_dirs)


def _directories(fits: Callable[[str], bool]) -> Callable[[Proposal], Iterator[str]]:
    def find(proposal: Proposal) -> Iterator[str]:
        return (path for path in _given(proposal) if fits(real(path)))  # as given: the targets of links are not shown

    return find


def _sensitive_directories(proposal: Proposal) -> Iterator[str]:
    return (path for path in _given(proposal) if is_sensitive(real(path), proposal.private_places))


def _sensitive_tools(proposal: Proposal) -> Iterator[str]:
    for one in opened(proposal):
        if any(opens_sensitive(real(place), proposal.private_places) for place in one.places):
            yield one.entry


def _outside_tools(proposal: Proposal) -> Iterator[str]:
    folders = [real(path) for path in _given(proposal)]
    for one in opened(proposal):
        if not all(any(inside(real(place), folder) for folder in folders) for place in one.places):
            yield one.entry


def _is_above_home(path: str) -> bool:
    return path == os.sep or (path != home() and inside(home(), path))


def _is_home(path: str) -> bool:
    return path == home() != os.sep


def _outside(proposal: Proposal) -> Iterator[str]:
    work = real(proposal.request.working_dir)
    return (path for path in proposal.request.add_dirs if not inside(real(path), work))


def _servers(fits: Callable[[McpServer], bool]) -> Callable[[Proposal], Iterator[str]]:
    def find(proposal: Proposal) -> Iterator[str]:
        return (server.name for server in proposal.request.mcp_servers if fits(server))

    return find


def _is_gateway(server: McpServer) -> bool:
    return starts_gateway(server.command, server.args)


def _is_unencrypted(server: McpServer) -> bool:
    try:
        address = urlsplit(server.url or "")
    except ValueError:  # not a valid address: its host is unknown
        return True
    return bool(server.url) and address.scheme != "https" and not _is_here(address.hostname or "")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _environment(patterns: Iterable[str]) -> Callable[[Proposal], Iterator[str]]:
    def find(proposal: Proposal) -> Iterator[str]:
        given = [*proposal.env_names, *(name for server in proposal.request.mcp_servers for name in server.env)]
        return (name for name in given if any(fnmatchcase(name.upper(), pattern) for pattern in patterns))

    return find


def _long(proposal: Proposal) -> Iterator[str]:
    if proposal.request.timeout_s > LONG_S:
        yield f"{proposal.request.timeout_s / 3600:g}h"


def _dear(proposal: Proposal) -> Iterator[str]:
    if (proposal.request.max_budget_usd or 0) > DEAR_USD:
        yield f"${proposal.request.max_budget_usd:g}"


def _rule(
    name: str,
    consequences: tuple[Consequence, Consequence, Consequence],
    finds: Callable[[Proposal], Iterable[str]],
    reason: str,
) -> Rule:
    strict, balanced, permissive = consequences
    return Rule(name=name, strict=strict, balanced=balanced, permissive=permissive, finds=finds, reason=reason)


# fmt: off
RULES = (
    #     name                       strict balanced permissive
    # what the run may do on its own
    _rule("bypass_forbidden",        (DENY,  DENY,  DENY),  _posture(Posture.BYPASS, bypass_allowed=False),
          "bypass is forbidden until the operator sets LLM_GATEWAY_APPROVAL_ALLOW_BYPASS=1"),
    _rule("bypass",                  (ASK,   ALLOW, ALLOW), _posture(Posture.BYPASS, bypass_allowed=True),
          "bypass lets everything pass, and the operator allows it"),
    _rule("workspace_write",         (ASK,   ALLOW, ALLOW), _posture(Posture.WORKSPACE_WRITE),
          "workspace_write runs programs without asking, in the sandbox that the CLI has"),
    # tools that are allowed from the start
    _rule("every_tool",              (DENY,  DENY,  ASK),   _tools(Access.EVERYTHING),
          "allowedTools opens every tool ({found})"),
    _rule("shell_tool",              (DENY,  ASK,   ALLOW), _tools(Access.SHELL),
          "allowedTools opens the shell for any program ({found})"),
    _rule("shell_command",           (ASK,   ASK,   ALLOW), _tools(Access.SHELL_COMMAND),
          "allowedTools opens the shell for some programs ({found}), which may start others"),
    _rule("other_tool",              (ASK,   ALLOW, ALLOW), _tools(Access.OTHER),
          "allowedTools names what neither reads nor edits files ({found})"),
    _rule("tool_in_sensitive_place", (DENY,  DENY,  DENY),  _sensitive_tools,
          "allowedTools opens files in a place of keys, logins or the system itself ({found})"),
    _rule("tool_outside",            (DENY,  ASK,   ASK),   _outside_tools,
          "allowedTools opens files outside of the working directory and the added ones ({found})"),
    # places
    _rule("above_home",              (DENY,  DENY,  ASK),   _directories(_is_above_home),
          "{found} holds the whole home directory or the whole machine; name a project's directory as workingDir"),
    _rule("home",                    (DENY,  LOWER, ALLOW), _directories(_is_home),
          "{found} is the home directory, with everything that is private in it; name a project's directory as workingDir"),
    _rule("sensitive_place",         (DENY,  DENY,  ASK),   _sensitive_directories,
          "{found} is a place of keys, logins or the system itself"),
    _rule("outside_directory",       (ASK,   ALLOW, ALLOW), _outside,
          "addDirs reaches outside of the working directory ({found})"),
    # MCP servers
    _rule("gateway_again",           (DENY,  ASK,   ALLOW), _servers(_is_gateway),
          "the run could put further agents to work through this gateway ({found})"),
    _rule("unencrypted_mcp_server",  (DENY,  DENY,  ASK),   _servers(_is_unencrypted),
          "an MCP server is reached over the network without encryption ({found})"),
    _rule("remote_mcp_server",       (ASK,   ALLOW, ALLOW), _servers(lambda server: bool(server.url)),
          "an MCP server runs elsewhere and sees what the agent sends it ({found})"),
    _rule("mcp_server",              (ASK,   ALLOW, ALLOW), _servers(lambda server: not server.url),
          "an MCP server runs beside the agent, outside of its sandbox ({found})"),
    # environment: its names are not for the caller, who may be far away
    _rule("redirected_traffic",      (ASK,   ALLOW, ALLOW), _environment(REDIRECTING),
          "the operator's environment may send the model's traffic elsewhere"),
    _rule("injected_code",           (DENY,  ASK,   ALLOW), _environment(INJECTING),
          "the operator's environment may load other code into the program"),
    # size
    _rule("long_run",                (ASK,   ALLOW, ALLOW), _long,
          "the run may take {found}"),
    _rule("large_budget",            (ASK,   ASK,   ALLOW), _dear,
          "the run may cost {found}"),
)
# fmt: on
