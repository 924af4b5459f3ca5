"""What a caller can do, and what a caller can read. A transport shows these to callers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from pydantic import BaseModel

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from llm_gateway.gateway import Gateway

#: progress(message): what the agent is doing just now
Progress = Callable[[str], Awaitable[None]]
#: ask(question): True when the caller's human says yes, False for no, None when nobody answered
AskHuman = Callable[[str], Awaitable["bool | None"]]
#: roots(): the URIs of the directories that the caller's client has open, the foremost first; never waits for long
AskRoots = Callable[[], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who calls, and how to speak to them while they wait."""

    principal: str = "local"
    progress: Progress | None = None  #: None: nobody listens
    ask: AskHuman | None = None  #: None: there is no human behind this call, or no way to ask
    roots: AskRoots | None = None  #: None: the client offers none
    remote: bool = False  #: the caller is not on this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that a caller can do."""

    name: str
    title: str
    description: str
    params: type[BaseModel]  #: camelCase aliases, extra="forbid"
    result: type[BaseModel]
    handler: Callable[[Gateway, Any, CallContext], Awaitable[BaseModel]]
    text: Callable[[Any], str] | None = None  #: a result's words; None: the result as JSON
    failed: Callable[[Any], bool] = lambda result: False  #: whether a result reports a failure
    hidden: frozenset[str] = frozenset()  #: parameters understood but not shown (refused with a reason)
    brief: bool = (
        False  #: of each parameter's description only the first sentence is shown: another operation shows the rest
    )
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False
    provider: str = ""  #: the provider whose program carries it out: without that program it is not listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that can be read: a fixed URI, or a template such as `jobs://{jobId}`."""

    uri: str
    name: str
    description: str
    mime_type: str = "application/json"
    read: Callable[[Gateway, Mapping[str, str], CallContext], Awaitable[str]]

    @property
    def is_template(self) -> bool:
        """Whether the URI has variables."""
        return "{" in str(self.uri)  # a plugin's, which may have given anything

    def match(self, uri: str) -> Mapping[str, str] | None:
        """The template's variables in this URI, each one path segment; None when it is the URI of something else."""
        parts = re.split(r"(\{\w+\})", self.uri)
        pattern = "".join(f"(?P<{part[1:-1]}>[^/?#]+)" if part.startswith("{") else re.escape(part) for part in parts)
        found = re.fullmatch(pattern, uri)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    """A prompt that a client may offer to its user."""

    name: str
    title: str
    description: str
    arguments: Mapping[str, str] = field(default_factory=dict)  #: name -> description
    render: Callable[[Mapping[str, str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A subcommand of `llm-gateway`. Exactly one of `run` and `work` carries it out; both answer the exit code."""

    name: str
    help: str  #: one sentence
    options: Callable[[ArgumentParser], None] = lambda parser: None  #: adds them to its parser
    run: Callable[[Namespace], int] | None = None
    work: Callable[[Gateway, Namespace], Awaitable[int]] | None = None  #: with an open gateway; a signal cancels it


class Transport(Protocol):
    """A way in."""

    async def serve(self, gateway: Gateway) -> None:
        """Serve callers until they are gone; cancelled when the gateway must end. The gateway is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a plugin found when it looked at this machine, for `llm-gateway doctor`."""

    name: str  #: of what was looked at, one word
    ok: bool  #: False: what it is for does not work, and `doctor` fails
    message: str  #: what there is, or what is wrong and what to do
