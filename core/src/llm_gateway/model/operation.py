"""Operations, resources and prompts. A transport offers them to callers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from pydantic import BaseModel

if TYPE_CHECKING:
    from llm_gateway.model.gateway_api import GatewayApi

#: progress(message): report what the agent is doing now
Progress = Callable[[str], Awaitable[None]]
#: ask(question): True if the caller's human answers yes, False for no, None without an answer
AskHuman = Callable[[str], Awaitable["bool | None"]]
#: roots(): the URIs of the directories that the caller's client has open, the most important first; returns quickly
AskRoots = Callable[[], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """The caller of an operation, and how to communicate with it during the call."""

    principal: str = "local"  #: the caller's identity; owner of everything that the call creates
    progress: Progress | None = None  #: None: the caller wants no progress
    ask: AskHuman | None = None  #: None: the caller has no human who can be asked
    roots: AskRoots | None = None  #: None: the client has no roots
    remote: bool = False  #: the caller is not on this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that a caller can do."""

    name: str  #: the tool's name
    title: str  #: a name for people
    description: str  #: for the model that chooses a tool
    params: type[BaseModel]  #: camelCase aliases, extra="forbid"
    result: type[BaseModel]  #: camelCase aliases
    #: handler(gateway, params, context) -> result. Raises GatewayError for an expected failure; must not block.
    handler: Callable[[GatewayApi, Any, CallContext], Awaitable[BaseModel]]
    text: Callable[[Any], str] | None = None  #: a result as text; None: the result as JSON
    failed: Callable[[Any], bool] = lambda result: False  #: whether a result reports a failure
    hidden: frozenset[str] = frozenset()  #: parameters that are accepted but not shown (refused with a reason)
    #: Of each parameter's description only the first sentence is shown, because another operation shows the rest.
    brief: bool = False
    read_only: bool = False  #: changes nothing
    destructive: bool = False  #: may delete or overwrite something
    idempotent: bool = False  #: repeating a call changes nothing more
    open_world: bool = False  #: reaches services outside of this machine
    provider: str = ""  #: the provider whose program executes it; the operation is listed only if that program is found


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Data that a caller can read: a fixed URI, or a template such as `jobs://{jobId}`."""

    uri: str  #: variables of a template are `{name}`, each one path segment
    name: str  #: short, for lists
    description: str  #: for the model that chooses a resource
    mime_type: str = "application/json"  #: of the content
    #: read(gateway, variables of the template, context) -> content. Raises GatewayError for an expected failure.
    read: Callable[[GatewayApi, Mapping[str, str], CallContext], Awaitable[str]]

    @property
    def is_template(self) -> bool:
        """Whether the URI has variables."""
        return "{" in str(self.uri)  # a plugin may have passed any type

    def match(self, uri: str) -> Mapping[str, str] | None:
        """The values of the template's variables in this URI, each one path segment; None if the URI does not match."""
        parts = re.split(r"(\{\w+\})", self.uri)
        pattern = "".join(f"(?P<{part[1:-1]}>[^/?#]+)" if part.startswith("{") else re.escape(part) for part in parts)
        found = re.fullmatch(pattern, uri)
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    """A prompt that a client may offer to its user."""

    name: str  #: unique
    title: str  #: a name for people
    description: str  #: what the prompt is for
    arguments: Mapping[str, str] = field(default_factory=dict)  #: name -> description
    render: Callable[[Mapping[str, str]], str]  #: render(arguments) -> the prompt's text


class Transport(Protocol):
    """Connects callers to an open gateway, over one protocol."""

    async def serve(self, gateway: GatewayApi) -> None:
        """Serve callers until they have disconnected. It is cancelled when the gateway must end. The gateway is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The result of a plugin's check of this machine, for `llm-gateway doctor`."""

    name: str  #: what was checked, one word
    ok: bool  #: False: something does not work, and `doctor` fails
    message: str  #: what was found, or what is wrong and what to do
