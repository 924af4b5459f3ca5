"""A conversation with a provider, and how a request continues it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llm_gateway.model.ids import NativeSessionId, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A gateway session: the gateway's id, the CLI's own id once it is known, and the settings that a resume repeats."""

    id: SessionId  #: the gateway's id, `gw-…`
    provider: str  #: the provider's name
    principal: str  #: its owner
    working_dir: str  #: absolute, links resolved
    native_id: NativeSessionId | None = None  #: the CLI's own id; None until the first run's output contains it
    turns: int = 0  #: finished turns whose answer was fetched; part of the dedup key
    settings: Mapping[str, Any] = field(default_factory=dict)  #: model, posture, dirs of the first turn
    description: str = ""  #: for people

    created_at: datetime  #: aware UTC
    last_used_at: datetime  #: aware UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Which conversation a run continues or starts."""

    #: Continue this conversation, or (fresh) start it with this id; None: the CLI chooses one.
    native_id: NativeSessionId | None = None
    fresh: bool = True  #: True: a new conversation; False: `native_id` exists
