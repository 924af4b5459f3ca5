"""A request together with the caller's wishes about conversation, permission and reuse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llm_gateway.model.posture import Posture
from llm_gateway.model.request import Request
from llm_gateway.model.session import Resume


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What came through the edge. `request` has no MCP servers yet; its unset fields may be filled by the session."""

    request: Request
    dir_given: bool  #: the caller named the working directory
    options_given: dict[str, Any]  #: the provider's own parameters that the caller named
    mcp_server_names: tuple[str, ...] | None = None  #: None: the settings' default
    posture: Posture | None = None
    strategy: str = "legacy"
    strictness: str = "balanced"
    session_id: str | None = None  #: ours or the CLI's own
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
    env_names: tuple[str, ...] = field(default=())  #: what the run's environment held; values are never stored
