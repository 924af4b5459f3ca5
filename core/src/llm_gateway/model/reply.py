"""The output of a run: events while it runs, a summary at its end, and the reply for the caller."""

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
    """The kind of an event."""

    SESSION = "session"  #: the native session id, in `text`
    TEXT = "text"  #: text of the agent
    TOOL = "tool"  #: a tool is used; `text` is a short description
    STATUS = "status"  #: anything else that is useful to show, such as a retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that an agent did, as one short line."""

    kind: EventKind  #: what `text` contains
    text: str  #: one line, at most a few hundred characters
    #: Set if the CLI says that it waits until then, because a limit of its service is reached; aware. Until the next TEXT or
    #: TOOL event the run is taken to wait. See `ProviderInfo.waits_for_limits`.
    waiting_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of reading the whole output."""

    text: str = ""  #: the answer
    native_id: NativeSessionId | None = None  #: the CLI's own session id, from the output
    model: str | None = None  #: the model that really answered
    usage: Usage = Usage()  #: tokens of this turn alone
    cost: Cost = Cost()  #: of this turn alone, if the CLI reports one
    run: RunFacts = RunFacts()  #: further facts, such as retries
    failed: bool = False  #: whether the output says that the turn failed
    #: The provider's own facts, for gateway_explain_failure. The kernel's rules also read these keys, if they are set:
    #: `message` (str: the CLI's own last error), `status` (int: the service's HTTP status), `kinds` (list of str: error
    #: types and codes), `reset_at` (aware datetime), `ended` (bool: the output is complete, with a result or a last error;
    #: unset: complete if it failed with a message), `started` (bool: a conversation was started or continued).
    failure: Mapping[str, Any] = field(default_factory=dict)
    structured: Any = None  #: the object that outputSchema required
    notices: tuple[Notice, ...] = ()  #: warnings for the caller


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """Everything that is known about an ended run."""

    request: Request  #: as it ran
    posture: Posture  #: as it ran
    resume: Resume  #: the conversation that it continued or started
    end: RunEnd  #: exit code, signal and times
    summary: Summary  #: the reader's summary of the output
    stderr_tail: str = ""  #: the end of standard error, at most 8 KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a run failed."""

    code: str  #: one of the closed set of error codes
    message: str  #: what happened, for people
    recovery: str | None = None  #: what to do; None: the code's own text
    provider_message: str | None = None  #: the CLI's own text, unchanged
    reset_at: datetime | None = None  #: when a limit is reset; aware
    retryable: bool | None = None  #: whether the same request may succeed later; None: the code's own value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The result of a job, as the store keeps it. The text is in the job's folder."""

    model: str | None = None  #: the model that answered
    native_id: NativeSessionId | None = None  #: the CLI's own session id
    text_chars: int = 0  #: length of the text, in characters
    empty: bool = False  #: whether the run gave no text
    truncated: bool = False  #: whether output is missing
    exit_code: int | None = None  #: None: ended by a signal, or never started
    duration_s: float = 0.0  #: of the run, in seconds

    usage: Usage = Usage()  #: tokens of this turn alone
    cost: Cost = Cost()  #: of this turn alone
    run: RunFacts = RunFacts()  #: further facts, such as retries
    failure: Failure | None = None  #: None: the run succeeded
    structured: Any = None  #: the object that outputSchema required
    notices: tuple[Notice, ...] = ()  #: warnings for the caller
