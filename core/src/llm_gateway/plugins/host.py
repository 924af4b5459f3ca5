"""The plugin host: what is installed, what is loaded, what went wrong."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from types import MappingProxyType

from llm_gateway.model.provider import ProviderInfo
from llm_gateway.plugins import checks
from llm_gateway.plugins.calls import HookCalls, PluginError
from llm_gateway.plugins.find import GROUP, KINDS, EntryPoint, chosen, find, listed, load, told
from llm_gateway.plugins.record import Plugin, PluginRecord, PluginState
from llm_gateway.settings.model import PluginSections


class PluginHost(HookCalls):
    """Loads plugins one by one: one that is broken is recorded and skipped, and never stops the host.

    `reserved` are the wire names of the common request parameters, which no provider's own parameter may take.
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
        self._providers: dict[str, ProviderInfo] = {}
        self._plugins = [
            Plugin(kind=point.group.removeprefix(GROUP), name=point.name, entry_point=point) for point in entry_points
        ]
        counts = Counter(plugin.key for plugin in self._plugins)
        for plugin in self._plugins:
            if counts[plugin.key] > 1:
                rivals = [other.label for other in self._plugins if other.key == plugin.key]
                plugin.fail(f"several plugins of kind {plugin.kind} have this name: {' and '.join(sorted(rivals))}")

    @classmethod
    def discover(cls, environ: Mapping[str, str] = os.environ, *, reserved: Iterable[str] = ()) -> PluginHost:
        """Find what is installed; loads nothing."""
        return cls(find(), environ, reserved=reserved)

    def load_all(self) -> None:
        """Load what every gateway needs: policies, extensions, providers, as far as LLM_GATEWAY_PLUGINS allows."""
        self.load(("policy", "extension", "provider"))

    def load(self, kinds: Iterable[str], names: Iterable[str] | None = None) -> None:
        """Load plugins of these kinds, all or by name. LLM_GATEWAY_PLUGINS narrows only what is not asked for by name."""
        wanted = None if names is None else frozenset(names)
        for kind in sorted(kinds, key=KINDS.index):
            for plugin in sorted((p for p in self._plugins if p.kind == kind), key=lambda p: p.name):
                if plugin.state not in (PluginState.NOT_WANTED, PluginState.BLOCKED):
                    continue
                if wanted is None and self._chosen is not None and not self._chosen & {plugin.name, plugin.key}:
                    plugin.state = PluginState.BLOCKED
                elif wanted is None or plugin.name in wanted:
                    self._load(plugin)

    def register(self, plugin: object, *, kind: str, name: str) -> PluginRecord:
        """Add a plugin that no entry point names. It is checked like any other; look at the record's state."""
        entry = Plugin(kind=kind, name=name)
        self._plugins.append(entry)
        self._admit(entry, plugin)
        return entry.record()

    @property
    def providers(self) -> Mapping[str, ProviderInfo]:
        """The loaded providers, sorted by name."""
        return MappingProxyType(dict(sorted(self._providers.items())))

    @property
    def records(self) -> tuple[PluginRecord, ...]:
        """Everything that is installed, loaded or not."""
        return tuple(plugin.record() for plugin in sorted(self._plugins, key=lambda p: p.key))

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, one sentence each."""
        found = [f"{plugin.label}: {plugin.problem}" for plugin in self._plugins if plugin.problem]
        known = {plugin.name for plugin in self._plugins} | {plugin.key for plugin in self._plugins}
        missing = sorted((self._chosen or frozenset()) - known)
        found += [
            f"LLM_GATEWAY_PLUGINS names {name}, which is not installed{checks.nearest(name, known)}" for name in missing
        ]
        return tuple(found)

    def report(self, key: str, problem: str) -> None:
        """Note what a caller found wrong with a plugin's answer (`key` as `operations` gives it)."""
        self._note(self._loaded[key], problem)

    def settings_sections(self) -> PluginSections:
        """The settings that the loaded plugins bring."""
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
        )

    def _load(self, plugin: Plugin) -> None:
        assert plugin.entry_point is not None
        try:
            loaded = load(plugin.entry_point)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a plugin does not decide that the host ends
            plugin.fail(f"could not be imported: {told(error)}")
        else:
            self._admit(plugin, loaded)

    def _admit(self, plugin: Plugin, loaded: object) -> None:
        if rival := self._loaded.get(plugin.key):
            plugin.fail(f"several plugins of kind {plugin.kind} have this name: {plugin.label} and {rival.label}")
            return
        try:
            with redirect_stdout(sys.stderr):
                self._check(plugin, loaded)
            plugin.state = PluginState.LOADED
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._expel(plugin)
            plugin.fail(str(error) if type(error) is ValueError else told(error))

    def _check(self, plugin: Plugin, loaded: object) -> None:
        checks.check_object(loaded)
        if twin := next((p for p in self._loaded.values() if p.object is loaded), None):
            raise ValueError(f"the same object is loaded as {twin.key} already: one plugin, one entry point")
        self._callers.clear()  # they know who was there when they were made
        plugin.object = loaded
        self._loaded[plugin.key] = plugin
        self._pm.register(loaded, name=plugin.key)
        plugin.hooks = checks.check_hooks(plugin.kind, loaded, self._pm.get_hookcallers(loaded) or ())
        self._pm.check_pending()
        if plugin.kind == "provider":
            described = self._ask(plugin, "gateway_describe_provider", {})
            self._providers[plugin.name] = checks.check_provider(plugin.name, described, self._reserved)
        if "gateway_settings" in plugin.hooks:
            taken = {section: other.label for other in self._loaded.values() for section in other.sections}
            sections = self._alone(plugin, "gateway_settings", {}) or {}
            plugin.sections = checks.check_sections(plugin.kind, plugin.name, sections, taken)

    def _expel(self, plugin: Plugin) -> None:
        self._callers.clear()
        if self._loaded.pop(plugin.key, None) and plugin.kind == "provider":
            self._providers.pop(plugin.name, None)
        if self._pm.get_plugin(plugin.key) is not None:
            self._pm.unregister(name=plugin.key)
        plugin.sections = {}

    def _need(self, kind: str, name: str) -> Plugin:
        self.load((kind,), (name,))
        if plugin := self._loaded.get(f"{kind}:{name}"):
            return plugin
        names = {plugin.name for plugin in self._plugins if plugin.kind == kind}
        broken = [f"{p.label}: {p.problem}" for p in self._plugins if (p.kind, p.name) == (kind, name)]
        if broken:
            raise PluginError(broken[0])
        advice = checks.nearest(name, names) or f"; `pip install llm-gateway-{kind}-{name}` brings it, if it is one of ours"
        raise PluginError(f"no {kind} named {name!r} is installed{advice} (installed: {listed(names)})")
