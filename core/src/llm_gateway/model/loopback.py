"""How a CLI is pointed at a model service on this machine, so that it can be tried without an account and without the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: The call of a tool by a model: its name and its arguments.
ToolCall = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loopback:
    """The surroundings in which a CLI asks a model service on 127.0.0.1. Nothing has been written to disk yet."""

    #: Variables of the gateway's environment. Only those of `ProviderInfo.env` and the common ones reach the CLI.
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)  #: path below the folder -> content
    settings: Mapping[str, Any] = field(default_factory=dict)  #: keys of `[providers.<name>]`; plain JSON
    key: str = ""  #: the variable that contains the account's key; empty: the CLI needs none
    #: write(path, text): how the model creates a file with the CLI's own tool. None: the CLI has no such tool.
    write: Callable[[str, str], ToolCall] | None = None
    shell: Callable[[str], ToolCall] | None = None  #: shell(command): how the model runs a command. None: it cannot.
    #: Variables that stop the CLI's other connections, such as its search for a newer version. They are always set.
    offline: Mapping[str, str] = field(default_factory=dict)
    #: Check of `llm-gateway verify` -> why its usual expectation does not apply to this CLI. `*` at the end: every check that
    #: begins so. Such a check is not made. `flags:--name`: the CLI accepts this option, but its help does not name it.
    differs: Mapping[str, str] = field(default_factory=dict)
