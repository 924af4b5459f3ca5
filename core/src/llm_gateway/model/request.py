"""A checked request to one provider, with its parameters for conversation, permission and reuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.model.posture import Posture
from llm_gateway.model.session import Resume
from llm_gateway.model.tools import Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The text, and the part of it that is the same from call to call."""

    text: str  #: the whole prompt
    prefix: str = ""  #: the stable beginning of `text`; empty when the prompt came as one string
    prefix_sha256: str | None = None  #: hex digest of `prefix`, UTF-8; None without a prefix

    marked_chars: int = 0  #: the end of the last part that the caller marked, in characters of `text`
    cache_control: tuple[str, ...] = ()  #: the parts that the caller marked: system, tools, context


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """An MCP server that can be given to a run."""

    name: str  #: as a caller passes it in `mcpServers`
    command: str = ""  #: the program, for a server over stdio
    args: tuple[str, ...] = ()  #: arguments of the program
    env: Mapping[str, str] = field(default_factory=dict)  #: variables of the server, with their values

    url: str | None = None  #: the address of a server over HTTP; then `command` is empty
    setup: str = ""  #: what the user must do, when it is known but not available


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to one provider: everything that a provider may need to build its command."""

    provider: str  #: the provider's name
    prompt: Prompt  #: the text, with its stable beginning
    options: Any = None  #: an instance of the provider's own options model
    variant: str = ""  #: which of the provider's programs, if it has several
    model: str | None = None  #: None: the CLI's default

    working_dir: str  #: absolute, links resolved; empty until it is known from the conversation
    add_dirs: tuple[str, ...] = ()  #: further directories; absolute
    allowed_tools: tuple[str, ...] = ()  #: in the CLI's own syntax
    disallowed_tools: tuple[str, ...] = ()  #: in the CLI's own syntax

    mcp_servers: tuple[McpServer, ...] = ()  #: given to this run
    max_turns: int | None = None  #: steps of the agent; None: no limit
    max_budget_usd: float | None = None  #: US dollars
    effort: str | None = None  #: how much the model reasons, in the CLI's own words
    output_schema: Mapping[str, Any] | None = None  #: a JSON Schema for the answer
    instructions: bool = True  #: False: instruction files do not apply, whatever the settings say
    timeout_s: float = 3600.0  #: wall clock, in seconds
    idle_timeout_s: float | None = None  #: seconds without output; None: no limit
    principal: str = "local"  #: the caller's identity
    correlation_id: str = ""  #: the caller's trace id


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a policy judges: the request, before anything is launched."""

    request: Request  #: as the caller sent it, completed from its session
    posture: Posture  #: the level that the run would get
    strategy: str  #: `legacy`, `mcp_managed` or the strategy of another policy
    strictness: str  #: `strict`, `balanced` or `permissive`
    bypass_allowed: bool  #: whether the operator set LLM_GATEWAY_APPROVAL_ALLOW_BYPASS
    env_names: tuple[str, ...] = ()  #: names of the variables that the run would see
    tools: tuple[Opened, ...] | None = None  #: what each entry of allowedTools opens; None: unknown
    #: Where the gateway and every agent's program store logins, settings and conversations; absolute, links not followed.
    private_places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """What came through the edge. `request` has no MCP servers yet; its unset fields may be filled by the session."""

    request: Request
    dir_given: bool  #: whether the caller named the working directory
    dir_spelled: str = ""  #: the working directory before its symbolic links were resolved
    options_given: dict[str, Any]  #: the provider's own parameters that the caller named
    mcp_server_names: tuple[str, ...] | None = None  #: None: the settings' default
    posture: Posture | None = None
    strategy: str = "legacy"
    strictness: str = "balanced"
    session_id: str | None = None  #: the gateway's or the CLI's own

    remote: bool = False  #: the caller is not on this machine
    resume_latest: bool = False
    create_new: bool = False
    queue_if_busy: bool = False
    force_refresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An accepted request: everything that another process needs to run it, or to read its output."""

    request: Request
    posture: Posture
    resume: Resume
    env_names: tuple[str, ...] = ()  #: names of the run's variables; values are never stored
    watched: tuple[str, ...] = ()  #: paths that parameters name, besides the request's directories
    strategy: str = "legacy"  #: the strategy with which it was judged
    strictness: str = "balanced"
