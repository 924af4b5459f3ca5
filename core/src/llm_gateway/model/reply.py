"""What a run said: events while it speaks, a summary at its end, the reply that the caller gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from llm_gateway.model.ids import NativeSessionId
from llm_gateway.model.invocation import Notice, RunEnd
from llm_gateway.model.posture import Posture
from llm_gateway.model.request import Request
from llm_gateway.model.session import Resume
from llm_gateway.model.usage import Cost, RunFacts, Usage


class EventKind(str, Enum):
    """What an event tells."""

    SESSION = "session"  #: the native session id, in `text`
    TEXT = "text"  #: words of the agent
    TOOL = "tool"  #: a tool is used; `text` is a short description
    STATUS = "status"  #: anything else worth showing, such as a retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something an agent did, short enough to be shown on one line."""

    kind: EventKind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the reader made of the whole output."""

    text: str = ""
    native_id: NativeSessionId | None = None
    model: str | None = None  #: the model that really answered
    usage: Usage = Usage()
    cost: Cost = Cost()
    run: RunFacts = RunFacts()
    failed: bool = False  #: the output itself says that the turn failed
    #: The provider's own facts, for gateway_explain_failure. These the kernel's own rules read, too, where they are set:
    #: `message` (str: the CLI's own last error), `status` (int: the service's HTTP status), `kinds` (list of str: error
    #: types and codes), `reset_at` (aware datetime), `ended` (bool: the output has an end of its own, a result or a last
    #: error; unset: it has one if it failed with a message), `started` (bool: a conversation was begun or continued).
    failure: Mapping[str, Any] = field(default_factory=dict)
    structured: Any = None  #: the object that outputSchema asked for
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """Everything known about a run that is over."""

    request: Request
    posture: Posture
    resume: Resume
    end: RunEnd
    summary: Summary
    stderr_tail: str = ""  #: at most 8 KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a run failed, in the closed set of codes."""

    code: str
    message: str
    recovery: str | None = None
    provider_message: str | None = None
    reset_at: datetime | None = None
    retryable: bool | None = None  #: whether the same request may pass later; None: what the code says


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The end of a job, as it is kept. The text itself lies beside it, in the job's folder."""

    model: str | None = None
    native_id: NativeSessionId | None = None
    text_chars: int = 0
    empty: bool = False
    truncated: bool = False
    exit_code: int | None = None
    duration_s: float = 0.0
    usage: Usage = Usage()
    cost: Cost = Cost()
    run: RunFacts = RunFacts()
    failure: Failure | None = None
    structured: Any = None
    notices: tuple[Notice, ...] = ()
