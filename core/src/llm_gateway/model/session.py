"""A conversation with a provider, and how a request continues it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llm_gateway.model.ids import NativeSessionId, SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A gateway session: our id, the CLI's own once it is learnt, and what a resume must say again."""

    id: SessionId
    provider: str
    principal: str
    working_dir: str
    native_id: NativeSessionId | None = None  #: None until the first run's output told it
    turns: int = 0  #: finished turns whose answer was fetched; part of the dedup key
    settings: Mapping[str, Any] = field(default_factory=dict)  #: model, posture, dirs of the first turn
    description: str = ""
    created_at: datetime
    last_used_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """How a run enters its conversation."""

    native_id: NativeSessionId | None = None  #: continue this one, or (fresh) begin it under this id
    fresh: bool = True  #: False: `native_id` must exist already
