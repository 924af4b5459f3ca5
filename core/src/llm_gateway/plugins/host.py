"""The plugin host: loads plugins and records which are installed, loaded or broken."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from llm_gateway.entry_points import GROUP, KINDS, EntryPoint, chosen, is_own
from llm_gateway.model.engine import Engine
from llm_gateway.model.operation import Transport
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.record import Decision, Verdict
from llm_gateway.model.request import Proposal
from llm_gateway.model.store import Store
from llm_gateway.naming import nearest
from llm_gateway.plugins import checks
from llm_gateway.plugins.calls import HookCalls, PluginError, wrapper_error
from llm_gateway.plugins.find import find, in_one_line, load
from llm_gateway.plugins.provider_class import as_hooks, registers_class
from llm_gateway.plugins.record import PluginRecord, PluginState
from llm_gateway.plugins.wrappers import WrapperMistake, check_wrappers, watch
from llm_gateway.settings.model import PluginSections

T = TypeVar("T")
log = logging.getLogger("llm_gateway.plugins")

_REPAIR = "Repair or uninstall it, or set LLM_GATEWAY_PLUGINS to the plugins to load, without this one; `llm-gateway doctor` shows the problem"
_PROVIDE = "Install and load it, or remove it from that list; `llm-gateway doctor` shows the problem"


class PluginHost(HookCalls):
    """Loads plugins one by one. A broken plugin is recorded and skipped; it never stops the host.

    `reserved` are the names of the common request parameters. Providers must not use them for parameters of their own.
    """

    def __init__(
        self,
        entry_points: Iterable[EntryPoint] = (),
        environ: Mapping[str, str] = MappingProxyType({}),
        *,
        reserved: Iterable[str] = (),
    ) -> None:
        super().__init__(trace=environ.get("LLM_GATEWAY_TRACE_HOOKS", "") not in ("", "0"))
        self._reserved = frozenset(reserved)
        self._chosen = chosen(environ)
        self._required: tuple[str, ...] = ()
        found = ((point, point.group.removeprefix(GROUP)) for point in entry_points)
        self._plugins = [PluginRecord(kind=kind, name=point.name, entry_point=point) for point, kind in found]
        for plugin in self._plugins:
            rivals = [other for other in self._plugins if other.key == plugin.key]
            if len(rivals) > 1:
                plugin.fail(_same_name(rivals))

    @classmethod
    def discover(cls, environ: Mapping[str, str] = os.environ, *, reserved: Iterable[str] = ()) -> PluginHost:
        """Find the installed plugins. Loads none."""
        return cls(find(), environ, reserved=reserved)

    def load_all(self) -> None:
        """Load all policies, extensions and providers, except those that LLM_GATEWAY_PLUGINS leaves out."""
        self.load(("policy", "extension", "provider"))

    def load(self, kinds: Iterable[str], names: Iterable[str] | None = None) -> None:
        """Load plugins of these kinds: all of them, or only these names. LLM_GATEWAY_PLUGINS does not apply to given names."""
        wanted = None if names is None else frozenset(names)
        for kind in sorted(kinds, key=KINDS.index):
            for plugin in sorted((p for p in self._plugins if p.kind == kind), key=lambda p: p.name):
                if plugin.state is PluginState.LOADED:
                    continue
                left_out = self._chosen is not None and not self._chosen & {plugin.name, plugin.key}
                if wanted is None and left_out and plugin.entry_point:
                    plugin.state = PluginState.BLOCKED
                elif plugin.state is PluginState.FAILED:
                    log.error("%s: %s", plugin.label, plugin.problem)
                elif wanted is None or plugin.name in wanted:
                    self._load(plugin, partial(load, plugin.entry_point))

    def register(self, plugin: object, *, kind: str, name: str) -> PluginRecord:
        """Add a plugin that has no entry point. It is checked like any other: the state of the record shows the result."""
        record = PluginRecord(kind=kind, name=name)
        self._plugins.append(record)
        self._load(record, lambda: plugin)
        return record

    def open_store(self, url: str, home: str) -> Store:
        """Load the store for the scheme of this URL and create it, not opened. Raises PluginError."""
        return self._open("store", url.partition(":")[0], Store, url=url, home=home)  # type: ignore[type-abstract]  # checked by its methods

    def open_engine(self, url: str, home: str) -> Engine:
        """Load the engine for the scheme of this URL and create it, not opened. Raises PluginError."""
        return self._open("engine", url.partition(":")[0], Engine, url=url, home=home)  # type: ignore[type-abstract]  # checked by its methods

    def open_transport(self, name: str) -> Transport:
        """Load a transport and create it. Raises PluginError."""
        return self._open("transport", name, Transport, name=name)  # type: ignore[type-abstract]  # checked by its methods

    @property
    def records(self) -> tuple[PluginRecord, ...]:
        """All installed plugins, loaded or not."""
        return tuple(sorted(self._plugins, key=lambda plugin: plugin.key))

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems with plugins, one sentence each."""
        found = [f"{plugin.label}: {plugin.problem}" for plugin in self._plugins if plugin.problem]
        known = {plugin.name for plugin in self._plugins} | {plugin.key for plugin in self._plugins}
        missing = sorted((self._chosen or frozenset()) - known)
        found += [f"LLM_GATEWAY_PLUGINS names {name}, which is not installed{nearest(name, known)}" for name in missing]
        return (*found, *self.missing_policies)

    @property
    def missing_policies(self) -> tuple[str, ...]:
        """The required policies that are not loaded, one sentence each."""
        return tuple(
            f"[approval] required_policies names {name}: {why}; every request is denied until it is loaded"
            for name, why in self._missing_policies().items()
        )

    def report(self, key: str, problem: str) -> None:
        """Record and log a problem that a caller found in a plugin's answer.

        :param key: the plugin's key, as `operations` returns it.
        """
        self._loaded[key].note(problem)
        log.error("%s: %s", self._loaded[key].label, problem)

    def older(self, first: str, second: str) -> str:
        """Return which of two plugins keeps a name that both define: a plugin of the product, or else the one loaded first. By key."""
        order = list(self._loaded)

        def rank(key: str) -> tuple[bool, int]:
            return not is_own(self._loaded[key].entry_point), order.index(key)

        return min(first, second, key=rank)

    def label(self, key: str) -> str:
        """Return the name of a loaded plugin for messages."""
        return self._loaded[key].label

    def require_policies(self, names: Iterable[str]) -> None:
        """Deny every request while one of these policies is not loaded. Logs the missing ones."""
        self._required = tuple(names)
        for name, why in self._missing_policies().items():
            log.error("policy %s is required and missing: %s", name, why)

    def approve(self, proposal: Proposal) -> list[tuple[str, Verdict]]:
        """Ask every policy. A policy that is broken, or required but missing, denies. Returns the name of the plugin with each verdict."""
        found = []
        for plugin in self._plugins:
            if plugin.is_broken_policy:
                reason = f"{plugin.label} is a policy that could not be loaded: {plugin.problem}. {_REPAIR}"
                found.append((plugin.name, Verdict(decision=Decision.DENY, policy=plugin.name, reasons=(reason,))))
        for name, why in self._missing_policies().items():
            reason = f"[approval] required_policies names {name}, but it is not loaded: {why}. {_PROVIDE}"
            found.append((name, Verdict(decision=Decision.DENY, policy=name, reasons=(reason,))))
        return [*found, *super().approve(proposal)]

    def _missing_policies(self) -> dict[str, str]:
        """Return the required policies that are not loaded, each with the reason. Without broken policies: they deny requests already."""
        found = {}
        for name in self._required:
            named = [plugin for plugin in self._plugins if plugin.kind == "policy" and plugin.name == name]
            if not named:
                installed = [plugin.name for plugin in self._plugins if plugin.kind == "policy"]
                found[name] = f"no policy of this name is installed{nearest(name, installed)}"
            elif all(plugin.state is PluginState.BLOCKED for plugin in named):
                found[name] = "LLM_GATEWAY_PLUGINS leaves it out"
        return found

    def settings_sections(self) -> PluginSections:
        """Return the settings sections that the loaded plugins define."""
        return PluginSections(
            providers={name: self._loaded[f"provider:{name}"].sections.get(name) for name in self._providers},
            top={
                section: model
                for plugin in self._loaded.values()
                for section, model in plugin.sections.items()
                if (plugin.kind, plugin.name) != ("provider", section)
            },
            unread=frozenset(plugin.name for plugin in self._plugins if plugin.state is not PluginState.LOADED),
            env=frozenset(name for info in self._providers.values() for name in info.env),
            configurable=frozenset(
                name
                for name, info in self._providers.items()
                if any(program.read_config is not None for program in info.programs.values())
            ),
        )

    def _load(self, plugin: PluginRecord, load: Callable[[], object]) -> None:
        try:
            with redirect_stdout(sys.stderr):  # a transport may use stdout for its protocol
                self._check_and_add(plugin, load())
            plugin.state = PluginState.LOADED
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._give_up(plugin, str(error) if type(error) is ValueError else in_one_line(error), debug=True)

    def _give_up(self, plugin: PluginRecord, problem: str, *, debug: bool = False) -> None:
        self._remove(plugin)
        plugin.fail(problem)
        log.error("%s: %s", plugin.label, problem, exc_info=debug and log.isEnabledFor(logging.DEBUG))

    def _check_and_add(self, plugin: PluginRecord, loaded: object) -> None:
        rival = self._loaded.get(plugin.key)
        if rival is not None:
            raise ValueError(_same_name([plugin, rival]))
        plugin.judges = hasattr(loaded, "gateway_approve")
        named = loaded
        loaded = checks.object_of(named)
        checks.check_object(loaded, plugin.entry_point.value if plugin.entry_point else "")
        for other in self._loaded.values():
            if other.object is loaded or other.object.__class__ is named:
                raise ValueError(f"the same object is loaded as {other.key} already: define one entry point per plugin")
        if plugin.kind == "provider" and registers_class(loaded):
            loaded = as_hooks(loaded)
        self._callers.clear()  # a caller is valid only for the plugins that were loaded when it was made
        plugin.object = loaded
        self._loaded[plugin.key] = plugin
        self._pm.register(loaded, name=plugin.key)
        plugin.hooks = checks.check_hooks(plugin.kind, loaded, self._pm.get_hookcallers(loaded) or ())
        self._pm.check_pending()
        for caller in self._pm.get_hookcallers(loaded) or ():
            for impl in caller.get_hookimpls():
                if impl.plugin is loaded and checks.wraps(impl):
                    watch(plugin, impl)
        if plugin.kind == "provider":
            described = self._call_new(plugin, "gateway_describe_provider", ProviderInfo)
            self._providers[plugin.name] = checks.check_provider(plugin.name, described, self._reserved)
        if "gateway_settings" in plugin.hooks:
            sections = self._call_new(plugin, "gateway_settings", Mapping) or {}
            taken, lost = self._rivals(plugin, sections if isinstance(sections, Mapping) else ())
            plugin.sections = checks.check_sections(plugin, sections, taken, self._providers.get(plugin.name))
            for rival, section in lost:
                self._give_up(rival, f"the settings section {section} belongs to {plugin.label}")

    def _rivals(
        self, plugin: PluginRecord, sections: Iterable[str]
    ) -> tuple[dict[str, PluginRecord], list[tuple[PluginRecord, str]]]:
        """Who has the sections that a plugin brings: those that keep theirs, by section, and those that lose one to this plugin.

        The first keeps a section, but what the product itself brings, and the name of a plugin of the product, no stranger takes.
        """
        taken, lost = {}, []
        for section in sections:
            for other in self._plugins:
                brings, named = section in other.sections, section == other.name
                apart = f"provider:{section}" in (plugin.key, other.key)  # [providers.<name>] is another table
                if other is plugin or apart or not (brings or named):
                    continue
                ours, theirs = is_own(plugin.entry_point), is_own(other.entry_point)
                if brings and ours and not theirs:
                    lost.append((other, section))
                elif brings or (theirs and not ours):
                    taken[section] = other
        return taken, lost

    def _call_new(self, plugin: PluginRecord, hook: str, kind: type) -> Any:
        """Call a plugin that is being loaded. The caller checks its answer; answers of wrappers are checked here."""
        try:
            with check_wrappers(self._answer_check(hook, kind)):
                return self._call(plugin, hook, {})
        except WrapperMistake as mistake:
            raise ValueError(str(wrapper_error(mistake, hook, PluginError))) from mistake

    def _remove(self, plugin: PluginRecord) -> None:
        if self._loaded.get(plugin.key) is not plugin:
            return
        self._callers.clear()
        del self._loaded[plugin.key]
        if plugin.kind == "provider":
            self._providers.pop(plugin.name, None)
        if self._pm.get_plugin(plugin.key) is not None:
            self._pm.unregister(name=plugin.key)

    def _open(self, kind: str, name: str, protocol: type[T], /, **arguments: Any) -> T:
        self.load((kind,), (name,))
        plugin = self._loaded.get(f"{kind}:{name}")
        if plugin is None:
            installed = {plugin.name: plugin for plugin in self._plugins if plugin.kind == kind}
            broken = installed.get(name)
            if broken is not None:
                raise PluginError(f"{broken.label}: {broken.problem}")
            advice = nearest(name, installed)
            if not advice:
                advice = f"; if it belongs to LLM Gateway, install it with `pip install llm-gateway-{kind}-{name}`"
            names = ", ".join(sorted(installed)) or "none"
            raise PluginError(f"no {kind} named {name!r} is installed{advice} (installed: {names})")
        return self._call_checked(plugin, f"gateway_open_{kind}", protocol, arguments, error=PluginError)


def _not_yours(section: str, owner: PluginRecord) -> str:
    return f"the settings section {section} belongs to {owner.label}"


def _same_name(rivals: Sequence[PluginRecord]) -> str:
    labels = " and ".join(sorted(rival.label for rival in rivals))
    return f"several plugins of kind {rivals[0].kind} have this name: {labels}"
