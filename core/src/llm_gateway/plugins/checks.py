"""Checks of a plugin when it is loaded. Every function raises ValueError with a message for the plugin's author."""

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
from llm_gateway.plugins.time_limit import HOOK_S, time_limit
from llm_gateway.settings.model import CONFIG_KEYS, FileSettings, ProviderSection

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9*-]+(\.[A-Za-z0-9*-]+)+(:[0-9]{1,5})?")


def object_of(plugin: object) -> object:
    """Create the object of a plugin that is a class: each gateway has its own. Return any other plugin as it is."""
    if not inspect.isclass(plugin):
        return plugin
    try:
        inspect.signature(plugin).bind()
    except TypeError as error:
        raise ValueError(f"the class {plugin.__name__} cannot be created without arguments: {error}") from error
    with time_limit(HOOK_S):
        return plugin()


def check_object(plugin: object, entry_point: str = "") -> None:
    """Check that a plugin is a module or an object, and was written for this plugin API.

    :param entry_point: the value of its entry point, such as `package.plugin:thing`; empty if there is none.
    """
    if plugin is None:
        raise ValueError("the entry point must name a module, a class or an object with hooks, not None")
    hash(plugin)  # pluggy keeps plugins in sets
    for holder in (plugin, *_modules_of(plugin, entry_point)):
        written_for = getattr(holder, "GATEWAY_API", API_VERSION)
        if written_for != API_VERSION:
            problem = f"it was written for plugin API {written_for}, this gateway has {API_VERSION}"
            raise ValueError(f"{problem}: upgrade the older one")


def _modules_of(plugin: object, entry_point: str) -> Iterator[ModuleType]:
    """Yield the modules that may define GATEWAY_API: the plugin's module and its parent packages."""
    module_name = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    for name in {module_name, entry_point.partition(":")[0].strip()}:
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            module = sys.modules.get(".".join(parts[:length]))
            if isinstance(module, ModuleType):
                yield module


def check_hooks(kind: str, plugin: object, callers: Iterable[pluggy.HookCaller]) -> tuple[str, ...]:
    """Check that the hooks exist and are allowed for this kind of plugin. Returns their names."""
    names: set[str] = set()
    for caller in callers:
        impl = next(impl for impl in caller.get_hookimpls() if impl.plugin is plugin)
        name, owner = caller.name, OWNER.get(caller.name)
        if not caller.has_spec():
            if not impl.optionalhook:
                raise ValueError(f"unknown hook {name}{nearest(name, HOOKS)}")
            continue
        if not hasattr(plugin, name):
            raise ValueError(f"the implementation of {name} must have the hook's name (specname is not supported)")
        if name == "gateway_register_provider" and wraps(impl):
            raise ValueError(f"{name} cannot be wrapped: wrap the single hooks, such as gateway_build_argv")
        if owner and (owner == kind) == wraps(impl):
            raise ValueError(f"a plugin of kind {owner} implements {name}; a plugin of another kind may only wrap it")
        names.add(name)
    for name in HOOKS.keys() - names:
        if inspect.isroutine(getattr(plugin, name, None)):
            raise ValueError(f"{name} is not marked with @hookimpl")
    missing = [name for name, owner in OWNER.items() if owner == kind and name in REQUIRED - names]
    if missing:
        advice = ", or register one class with gateway_register_provider" if kind == "provider" else ""
        raise ValueError(f"a plugin of kind {kind} must implement {', '.join(missing)}{advice}")
    if not names:
        raise ValueError("it implements no hook")
    return tuple(sorted(names))


def wraps(impl: pluggy.HookImpl) -> bool:
    """Return whether a hook implementation is a wrapper of other implementations."""
    return bool(impl.wrapper or impl.hookwrapper)


def check_provider(name: str, info: Any, reserved: frozenset[str]) -> ProviderInfo:
    """Check that the description of a provider is complete and consistent."""
    if not isinstance(info, ProviderInfo):
        raise ValueError(f"gateway_describe_provider answered {type(info).__name__}, not ProviderInfo")
    if not _NAME.fullmatch(info.name):
        raise ValueError(f"the provider's name {info.name!r} does not match {_NAME.pattern}")
    if info.name != name:
        raise ValueError(f"the provider has the name {info.name!r}, but its entry point has {name!r}")
    if info.default_posture not in info.postures:
        raise ValueError(f"its default posture {info.default_posture.value} is not among its postures")
    unknown = info.supports - SUPPORTABLE
    if unknown:
        raise ValueError(f"supports has names that are not common parameters: {', '.join(sorted(unknown))}")
    if "*" in info.env:
        raise ValueError("env must not contain '*': name each variable that a run needs")
    try:
        re.compile(info.native_id_pattern)
    except re.error as error:
        raise ValueError(f"native_id_pattern is not a regular expression: {error}") from None
    for program in info.programs.values():
        _check_sandbox_access(program)
    for variant, program in info.variants.items():
        _check_variant(info, variant, program)
    check_model("options_model", info.options_model)
    parameters = wire_names(info.options_model) | info.options_model.model_fields.keys()
    taken = sorted(parameters & reserved)
    if taken:
        raise ValueError(f"parameters of its options model have the names of common ones: {', '.join(taken)}")
    return info


def _check_variant(info: ProviderInfo, variant: str, program: ProviderInfo) -> None:
    if (program.name, program.variant) != (info.name, variant):
        raise ValueError(f"the variant {variant!r} must have name={info.name!r} and variant={variant!r}")
    for field in ("postures", "supports", "env"):
        added = set(getattr(program, field)) - set(getattr(info, field))
        if added:
            raise ValueError(f"the variant {variant!r} has more {field} than the provider: add them to the provider")


def _check_sandbox_access(info: ProviderInfo) -> None:
    """Check the paths and hosts that a sandbox must allow. A wrong value would allow something else, or nothing."""
    for path in (*info.own_paths, *info.own_settings):
        if not path.startswith(("~/", "/", "${")) or ".." in path.split("/"):
            raise ValueError(
                f"{path!r} must be an absolute path, or begin with ~/ or a variable such as ${{NAME:-~/.name}}"
            )
    for host in info.hosts:
        if not _HOST.fullmatch(host):
            raise ValueError(f"hosts must contain host names, not {host!r}")
    prefixes = tuple(name[:-1] for name in info.env if name.endswith("*"))
    for name in info.url_env:
        if name not in info.env and not name.startswith(prefixes):
            raise ValueError(f"url_env names {name}, which is not in env")
    for name in info.project_folders:
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"project_folders must contain names of folders, not {name!r}")


def check_sections(
    plugin: PluginRecord, sections: Any, taken: dict[str, PluginRecord], info: ProviderInfo | None = None
) -> dict[str, type[BaseModel]]:
    """Check a plugin's settings sections: strict models with defaults, under names that are not in use.

    :param taken: section -> the plugin that defines it.
    :param info: the provider that the plugin describes, if it is one.
    """
    kernels = set(ProviderSection.model_fields)
    if info is not None and info.read_config is None:
        kernels -= CONFIG_KEYS  # they have no meaning for it, so it may have keys with these names
    if not isinstance(sections, Mapping):
        raise ValueError(f"gateway_settings answered {type(sections).__name__}, not a mapping")
    for section, model in sections.items():
        if not isinstance(section, str) or not _NAME.fullmatch(section):
            raise ValueError(f"the settings section {section!r} does not match {_NAME.pattern}")
        check_model(f"settings section {section}", model)
        model()  # raises for a field without a default
        if (plugin.kind, plugin.name) == ("provider", section):
            both = sorted(model.model_fields.keys() & kernels)
            if both:
                raise ValueError(f"keys of its settings section that the kernel defines already: {', '.join(both)}")
        elif section in FileSettings.model_fields:
            raise ValueError(f"the settings section {section} is defined by the kernel already")
        elif section in taken:
            raise ValueError(f"the settings section {section} is defined by {taken[section].label} already")
    return dict(sections)


def check_model(what: str, model: Any) -> None:
    """Check that this is a pydantic model that forbids unknown fields."""
    if not (inspect.isclass(model) and issubclass(model, BaseModel)):
        raise ValueError(f"{what} is not a pydantic model")
    if model.model_config.get("extra") != "forbid":
        raise ValueError(f'{what} must have extra="forbid"')


def type_problem(hook: str, answer: object, kind: type) -> str:
    """Return the problem with an answer of the wrong type, or an empty string."""
    if _has_type(answer, kind):
        return ""
    return f"answered {hook} with {type(answer).__name__}, not {kind.__name__}"


def items_problem(hook: str, kind: type, answer: Any) -> str:
    """Return the problem with the items of an answer, or an empty string."""
    for item in answer:
        if not isinstance(item, kind):
            return f"put {type(item).__name__} into the answer to {hook}, not {kind.__name__}"
    return ""


def _has_type(answer: object, kind: type) -> bool:
    if getattr(kind, "_is_protocol", False):
        return all(callable(getattr(answer, name, None)) for name in vars(kind) if not name.startswith("_"))
    return isinstance(answer, kind)
