"""What is known of one plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib.metadata import EntryPoint
from typing import Any

from pydantic import BaseModel

from llm_gateway.plugins.find import distributions_of

_MOST_NOTES = 32  #: what a plugin does wrong again and again, each time in other words, does not fill the memory


class PluginState(str, Enum):
    """What became of a plugin in this process."""

    LOADED = "loaded"
    FAILED = "failed"  #: `problem` says why
    NOT_WANTED = "not wanted"  #: installed, not needed here
    BLOCKED = "blocked"  #: left out by LLM_GATEWAY_PLUGINS


@dataclass(slots=True, kw_only=True, eq=False)
class PluginRecord:
    """A plugin, as `llm-gateway plugins` shows it. The host alone changes it."""

    kind: str
    name: str
    entry_point: EntryPoint | None = None  #: None: registered by hand
    object: Any = None
    hooks: tuple[str, ...] = ()  #: what it implements; known once it is loaded
    sections: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    state: PluginState = PluginState.NOT_WANTED
    problem: str = ""  #: also set for a loaded plugin that answered a hook wrongly
    judges: bool = False  #: it has the hook by which policies judge, whatever its kind

    @property
    def key(self) -> str:
        """Its name among all kinds."""
        return f"{self.kind}:{self.name}"

    @property
    def label(self) -> str:
        """How messages name it, with the distribution that must be mended or removed."""
        names = distributions_of(self.entry_point)
        return f"plugin {self.name}" + (f" ({' and '.join(f'{n} {v}' for n, v in names)})" if names else "")

    @property
    def distribution(self) -> str:
        """The distribution that brings it; empty: registered by hand."""
        return next((name for name, _ in distributions_of(self.entry_point)), "")

    @property
    def version(self) -> str:
        """The distribution's version."""
        return next((version for _, version in distributions_of(self.entry_point)), "")

    @property
    def is_broken_policy(self) -> bool:
        """Whether it would judge requests, and was not loaded although it should have been."""
        return self.state is PluginState.FAILED and (self.judges or self.kind == "policy")

    def note(self, problem: str) -> None:
        """Keep what it did wrong; it stays loaded."""
        known = self.problem.split("; ") if self.problem else []
        if problem not in known:
            self.problem = "; ".join([*known, problem][-_MOST_NOTES:])

    def fail(self, problem: str) -> None:
        """Give up on it."""
        self.state, self.problem = PluginState.FAILED, problem
        self.hooks, self.sections, self.object = (), {}, None
