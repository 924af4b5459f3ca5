"""What a plugin must be to be let in. Every function raises ValueError with the reason for the plugin's author."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

import pluggy
from pydantic import BaseModel

from llm_gateway.hookspecs import API_VERSION, HOOKS, OWNER, REQUIRED
from llm_gateway.model.provider import SUPPORTABLE, ProviderInfo
from llm_gateway.naming import nearest, wire_names
from llm_gateway.plugins.record import PluginRecord
from llm_gateway.settings.model import FileSettings, ProviderSection

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9*-]+(\.[A-Za-z0-9*-]+)+(:[0-9]{1,5})?")


def check_object(plugin: object, entry_point: str = "") -> None:
    """A plugin is a module or an instance, written for this plugin API.

    :param entry_point: the value of its entry point, such as `package.plugin:thing`; empty for one registered by hand.
    """
    if plugin is None or inspect.isclass(plugin):
        raise ValueError("the entry point must give a module or an object that has hooks, not a class or None")
    hash(plugin)  # pluggy keeps plugins in sets
    for place in (plugin, *_modules_of(plugin, entry_point)):
        written_for = getattr(place, "GATEWAY_API", API_VERSION)
        if written_for != API_VERSION:
            problem = f"it was written for plugin API {written_for}, this gateway has {API_VERSION}"
            raise ValueError(f"{problem}: upgrade the older one")


def _modules_of(plugin: object, entry_point: str) -> Iterator[ModuleType]:
    """The modules in which a plugin may say for which API it was written: its own, and the packages around that."""
    own = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    for name in {own, entry_point.partition(":")[0].strip()}:
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            module = sys.modules.get(".".join(parts[:length]))
            if isinstance(module, ModuleType):
                yield module


def check_hooks(kind: str, plugin: object, callers: Iterable[pluggy.HookCaller]) -> tuple[str, ...]:
    """Known hooks, the right ones for its kind; gives their names."""
    own: set[str] = set()
    for caller in callers:
        impl = next(impl for impl in caller.get_hookimpls() if impl.plugin is plugin)
        name, owner = caller.name, OWNER.get(caller.name)
        if not caller.has_spec():
            if not impl.optionalhook:
                raise ValueError(f"unknown hook {name}{nearest(name, HOOKS)}")
            continue
        if not hasattr(plugin, name):
            raise ValueError(f"the implementation of {name} must have the hook's name (specname is not supported)")
        if owner and (owner == kind) == wraps(impl):
            raise ValueError(f"a plugin of kind {owner} implements {name}, one of another kind may only wrap it")
        own.add(name)
    for name in HOOKS.keys() - own:
        if inspect.isroutine(getattr(plugin, name, None)):
            raise ValueError(f"{name} is not marked with @hookimpl")
    if missing := [name for name, owner in OWNER.items() if owner == kind and name in REQUIRED - own]:
        raise ValueError(f"a plugin of kind {kind} must implement {', '.join(missing)}")
    if not own:
        raise ValueError("it implements no hook")
    return tuple(sorted(own))


def wraps(impl: pluggy.HookImpl) -> bool:
    """Whether it stands around others' implementations instead of being one."""
    return bool(impl.wrapper or impl.hookwrapper)


def check_provider(name: str, info: Any, reserved: frozenset[str]) -> ProviderInfo:
    """What a provider says about itself must hold together."""
    if not isinstance(info, ProviderInfo):
        raise ValueError(f"gateway_describe_provider answered {type(info).__name__}, not ProviderInfo")
    if not _NAME.fullmatch(info.name):
        raise ValueError(f"the provider's name {info.name!r} does not match {_NAME.pattern}")
    if info.name != name:
        raise ValueError(f"the provider calls itself {info.name!r}, its entry point {name!r}")
    if info.default_posture not in info.postures:
        raise ValueError(f"its default posture {info.default_posture.value} is not among its postures")
    if unknown := info.supports - SUPPORTABLE:
        raise ValueError(f"supports names no common parameter: {', '.join(sorted(unknown))}")
    if "*" in info.env:
        raise ValueError("env may not be '*': a run sees what its provider names, not everything")
    try:
        re.compile(info.native_id_pattern)
    except re.error as error:
        raise ValueError(f"native_id_pattern is no regular expression: {error}") from None
    for one in info.programs.values():
        _check_needs(one)
    for variant, one in info.variants.items():
        more = [*set(one.postures) - set(info.postures), *one.supports - info.supports, *set(one.env) - set(info.env)]
        if more or (one.name, one.variant) != (name, variant):
            raise ValueError(f"the variant {variant!r} must carry both names, and hold nothing that the whole does not")
    check_model("options_model", info.options_model)
    if taken := sorted((wire_names(info.options_model) | info.options_model.model_fields.keys()) & reserved):
        raise ValueError(f"parameters of its options model collide with common ones: {', '.join(taken)}")
    return info


def _check_needs(info: ProviderInfo) -> None:
    """What a sandbox leaves open must be what it says: a mistake would open something else, or nothing."""
    for path in (*info.own_paths, *info.own_settings):
        if not path.startswith(("~/", "/", "${")) or ".." in path.split("/"):
            raise ValueError(
                f"{path!r} must be an absolute path, or begin with ~/ or a variable such as ${{NAME:-~/.name}}"
            )
    if wrong := [host for host in info.hosts if not _HOST.fullmatch(host)]:
        raise ValueError(f"hosts are names, not {wrong[0]!r}")
    prefixes = tuple(name[:-1] for name in info.env if name.endswith("*"))
    if unseen := [name for name in info.url_env if name not in info.env and not name.startswith(prefixes or "\0")]:
        raise ValueError(f"url_env names {unseen[0]}, which is not in env")
    if wrong := [name for name in info.project_folders if "/" in name or name in ("", ".", "..")]:
        raise ValueError(f"project_folders are names, not {wrong[0]!r}")


def check_sections(plugin: PluginRecord, sections: Any, taken: dict[str, PluginRecord]) -> dict[str, type[BaseModel]]:
    """Settings sections: strict models with defaults, under names that are free. `taken`: section -> who has it."""
    if not isinstance(sections, Mapping):
        raise ValueError(f"gateway_settings answered {type(sections).__name__}, not a mapping")
    for section, model in sections.items():
        if not isinstance(section, str) or not _NAME.fullmatch(section):
            raise ValueError(f"the settings section {section!r} does not match {_NAME.pattern}")
        check_model(f"settings section {section}", model)
        model()  # raises for a field without a default
        if (plugin.kind, plugin.name) == ("provider", section):
            if both := sorted(model.model_fields.keys() & ProviderSection.model_fields.keys()):
                raise ValueError(f"settings of its section that the kernel has already: {', '.join(both)}")
        elif section in FileSettings.model_fields:
            raise ValueError(f"the settings section {section} is the kernel's own")
        elif section in taken:
            raise ValueError(f"the settings section {section} is brought by {taken[section].label} already")
    return dict(sections)


def check_model(what: str, model: Any) -> None:
    """A strict pydantic model."""
    if not (inspect.isclass(model) and issubclass(model, BaseModel)):
        raise ValueError(f"{what} is not a pydantic model")
    if model.model_config.get("extra") != "forbid":
        raise ValueError(f'{what} must have extra="forbid"')
