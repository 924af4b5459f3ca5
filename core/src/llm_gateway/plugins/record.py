"""The record of one plugin: its name, state and problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pydantic import BaseModel

from llm_gateway.entry_points import EntryPoint
from llm_gateway.plugins.find import distributions_of

_MOST_NOTES = 32  #: a limit, so that a plugin with many different faults does not fill the memory


class PluginState(str, Enum):
    """The state of a plugin in this process."""

    LOADED = "loaded"
    FAILED = "failed"  #: `problem` is the reason
    NOT_WANTED = "not wanted"  #: installed, not needed here
    BLOCKED = "blocked"  #: left out by LLM_GATEWAY_PLUGINS


@dataclass(slots=True, kw_only=True, eq=False)
class PluginRecord:
    """A plugin, as `llm-gateway plugins` shows it. Only the host changes it."""

    kind: str
    name: str
    entry_point: EntryPoint | None = None  #: None: added with `PluginHost.register`
    object: Any = None
    hooks: tuple[str, ...] = ()  #: the hooks that it implements; empty until it is loaded
    sections: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    state: PluginState = PluginState.NOT_WANTED
    problem: str = ""  #: also set for a loaded plugin that answered a hook wrongly
    judges: bool = False  #: it implements the hook of policies, whatever its kind is

    @property
    def key(self) -> str:
        """Its kind and name, unique among all plugins."""
        return f"{self.kind}:{self.name}"

    @property
    def label(self) -> str:
        """Its name in messages, with the distribution that must be repaired or removed."""
        names = [f"{name} {version}" for name, version in distributions_of(self.entry_point)]
        if not names:
            return f"plugin {self.name}"
        return f"plugin {self.name} ({' and '.join(names)})"

    @property
    def distribution(self) -> str:
        """The distribution that defines it; empty if there is none."""
        return next((name for name, _ in distributions_of(self.entry_point)), "")

    @property
    def version(self) -> str:
        """The distribution's version."""
        return next((version for _, version in distributions_of(self.entry_point)), "")

    @property
    def is_broken_policy(self) -> bool:
        """Whether it is a policy that failed to load. Then every request is denied."""
        return self.state is PluginState.FAILED and (self.judges or self.kind == "policy")

    def note(self, problem: str) -> None:
        """Record a fault of a plugin that stays loaded."""
        known = self.problem.split("; ") if self.problem else []
        if problem not in known:
            self.problem = "; ".join([*known, problem][-_MOST_NOTES:])

    def fail(self, problem: str) -> None:
        """Record that it could not be loaded."""
        self.state = PluginState.FAILED
        self.problem = problem
        self.hooks = ()
        self.sections = {}
        self.object = None
