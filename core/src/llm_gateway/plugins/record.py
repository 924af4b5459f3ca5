"""What is known of one plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import BaseModel

from llm_gateway.plugins.find import EntryPoint, distributions_of


class PluginState(str, Enum):
    """What became of a plugin in this process."""

    LOADED = "loaded"
    FAILED = "failed"  #: `problem` says why
    NOT_WANTED = "not wanted"  #: installed, not needed here
    BLOCKED = "blocked"  #: left out by LLM_GATEWAY_PLUGINS


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRecord:
    """A plugin, as `llm-gateway plugins` shows it."""

    kind: str
    name: str
    distribution: str = ""  #: empty: registered by hand
    version: str = ""
    module: str = ""
    hooks: tuple[str, ...] = ()  #: what it implements; known once it is loaded
    state: PluginState = PluginState.NOT_WANTED
    problem: str = ""  #: also set for a loaded plugin that answered a hook wrongly


@dataclass(slots=True, kw_only=True, eq=False)
class Plugin:
    """The host's own papers on a plugin; they change while it is loaded."""

    kind: str
    name: str
    entry_point: EntryPoint | None = None
    object: Any = None
    hooks: tuple[str, ...] = ()
    sections: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    state: PluginState = PluginState.NOT_WANTED
    problem: str = ""

    @property
    def key(self) -> str:
        """Its name among all kinds."""
        return f"{self.kind}:{self.name}"

    @property
    def label(self) -> str:
        """How messages name it, with the distribution that must be mended or removed."""
        names = distributions_of(self.entry_point)
        return f"plugin {self.name}" + (f" ({' and '.join(f'{n} {v}' for n, v in names)})" if names else "")

    def fail(self, problem: str) -> None:
        """Give up on it."""
        self.state, self.problem, self.hooks, self.object = PluginState.FAILED, problem, (), None

    def record(self) -> PluginRecord:
        """The papers, for others."""
        distribution, version = (distributions_of(self.entry_point) or [("", "")])[0]
        module = self.entry_point.value if self.entry_point else getattr(self.object, "__name__", "")
        return PluginRecord(
            kind=self.kind,
            name=self.name,
            distribution=distribution,
            version=version,
            module=module,
            hooks=self.hooks,
            state=self.state,
            problem=self.problem,
        )
