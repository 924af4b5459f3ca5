"""What a caller asks of one provider, with its wishes about conversation, permission and reuse, after the edge has checked it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.model.posture import Posture
from llm_gateway.model.session import Resume
from llm_gateway.model.tools import Opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The words, and the part of them that stays the same from call to call."""

    text: str
    prefix: str = ""  #: the stable beginning of `text`; empty when the prompt came as one string
    prefix_sha256: str | None = None
    marked_chars: int = 0  #: the end of the last part that the caller marked
    cache_control: tuple[str, ...] = ()  #: the parts that the caller marked: system, tools, context


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """An MCP server that may be given to a run."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None  #: set for a server over HTTP; then `command` is empty
    setup: str = ""  #: what to do when it is known but not available


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to one provider. Everything a provider may need to build its argv."""

    provider: str
    prompt: Prompt
    options: Any = None  #: an instance of the provider's own options model
    variant: str = ""  #: which of the provider's programs, where it has several
    model: str | None = None
    working_dir: str  #: absolute, links resolved; empty until the conversation tells it, where nothing else does
    add_dirs: tuple[str, ...] = ()
    allowed_tools: tuple[str, ...] = ()
    disallowed_tools: tuple[str, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()
    max_turns: int | None = None
    max_budget_usd: float | None = None
    effort: str | None = None
    output_schema: Mapping[str, Any] | None = None
    timeout_s: float = 3600.0
    idle_timeout_s: float | None = None
    principal: str = "local"
    correlation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a policy judges: the request, before anything is launched."""

    request: Request
    posture: Posture  #: the level that the run would get
    strategy: str  #: `legacy`, `mcp_managed` or a name that a policy brings
    strictness: str  #: `strict`, `balanced` or `permissive`
    bypass_allowed: bool  #: the operator set LLM_GATEWAY_APPROVAL_ALLOW_BYPASS
    env_names: tuple[str, ...] = ()  #: what the run would see of the gateway's and the operator's environment
    tools: tuple[Opened, ...] | None = None  #: what each entry of allowedTools opens; None: nobody was asked
    #: Where the gateway and every agent's program keep logins, settings and conversations; absolute, links not followed.
    private_places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """What came through the edge. `request` has no MCP servers yet; its unset fields may be filled by the session."""

    request: Request
    dir_given: bool  #: the caller named the working directory
    dir_spelled: str = ""  #: the working directory before its symbolic links were resolved
    options_given: dict[str, Any]  #: the provider's own parameters that the caller named
    mcp_server_names: tuple[str, ...] | None = None  #: None: the settings' default
    posture: Posture | None = None
    strategy: str = "legacy"
    strictness: str = "balanced"
    session_id: str | None = None  #: ours or the CLI's own
    remote: bool = False  #: the caller is not on this machine
    resume_latest: bool = False
    create_new: bool = False
    queue_if_busy: bool = False
    force_refresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A request as it was accepted: all that is needed to run it, or to read its output, in another process."""

    request: Request
    posture: Posture
    resume: Resume
    env_names: tuple[str, ...] = ()  #: what the run's environment held; values are never stored
    watched: tuple[str, ...] = ()  #: paths that parameters name, beside the request's directories
    strategy: str = "legacy"  #: with which it was judged
    strictness: str = "balanced"
