"""A provider that is one class is called through the single hooks, as any other provider."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from llm_gateway.hookspecs import HOOKS, OWNER, PROJECT, hookimpl
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.provider_class import Provider
from llm_gateway.model.usage import Cost, Usage
from llm_gateway.plugins.time_limit import HOOK_S, time_limit

REGISTER = "gateway_register_provider"
_MARK = f"{PROJECT}_impl"
#: Hook -> the method of the class that answers it.
_METHODS: Mapping[str, str] = {
    hook: hook.removeprefix("gateway_")
    for hook, owner in OWNER.items()
    if owner == "provider" and hook not in (REGISTER, "gateway_describe_provider")
}


def registers_class(plugin: object) -> bool:
    """Return whether this plugin registers its provider as one class."""
    mark = getattr(getattr(plugin, REGISTER, None), _MARK, None)
    return mark is not None and not (mark["wrapper"] or mark["hookwrapper"])


def as_hooks(plugin: Any) -> object:
    """Create the provider of a plugin; return an object with its single hooks, and with the plugin's other hooks.

    Raises ValueError if the answer is no `Provider`, or if the plugin has a single hook that belongs to the class as well.
    """
    with time_limit(HOOK_S):
        provider = plugin.gateway_register_provider()
    if inspect.isclass(provider) and issubclass(provider, Provider):
        raise ValueError(f"{REGISTER} returned the class {provider.__name__}: return an instance of it")
    if not isinstance(provider, Provider):
        raise ValueError(f"{REGISTER} returned {type(provider).__name__}, not a Provider")
    if not isinstance(getattr(provider, "info", None), ProviderInfo):
        raise ValueError(f"info of {type(provider).__name__} is not a ProviderInfo")
    of_class, of_plugin = _hooks_of(provider), _marked(plugin)
    both = sorted(of_plugin.keys() & {*of_class, *_METHODS})
    if both:
        raise ValueError(f"it has {REGISTER} and also {', '.join(both)}: move what they do into methods of its class")
    adapted = _ProviderHooks()
    for name, hook in {**of_plugin, **of_class}.items():
        setattr(adapted, name, hook)
    return adapted


class _ProviderHooks:
    """Its attributes are hooks."""


def _marked(plugin: object) -> dict[str, Any]:
    """The hooks of a plugin, also those that are misspelt or not marked, which are reported later."""
    routines = {name: getattr(plugin, name) for name in dir(plugin) if inspect.isroutine(getattr(plugin, name, None))}
    return {name: found for name, found in routines.items() if name.startswith("gateway_") or hasattr(found, _MARK)}


def _hooks_of(provider: Provider) -> dict[str, Any]:
    """The single hooks of a provider. A method that its class does not implement is no hook."""
    calls = _Calls(provider)
    hooks: dict[str, Any] = {"gateway_describe_provider": calls.gateway_describe_provider}
    for hook, method in {**_METHODS, "gateway_price": "price"}.items():
        if getattr(type(provider), method) is not getattr(Provider, method):
            hooks[hook] = getattr(calls, hook)
    if provider.settings_model is not None:
        hooks["gateway_settings"] = calls.gateway_settings
        hooks["gateway_configure"] = calls.gateway_configure
    return hooks


class _Calls:
    """One function for each hook that a class can answer. A method gets those parameters of the hook that it has."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._passed = {
            method: _passed(getattr(provider, method), list(inspect.signature(HOOKS[hook]).parameters))
            for hook, method in _METHODS.items()
        }

    def _call(self, method: str, **values: Any) -> Any:
        return getattr(self._provider, method)(**{name: values[name] for name in self._passed[method]})

    @hookimpl
    def gateway_describe_provider(self) -> ProviderInfo:
        return self._provider.info

    @hookimpl
    def gateway_build_argv(self, request: Any, posture: Any, resume: Any, providers: Any, config: Any) -> Any:
        asked = {"request": request, "posture": posture, "resume": resume, "providers": providers, "config": config}
        return self._call("build_argv", **asked)

    @hookimpl
    def gateway_resume_session(self, request: Any, session: Any) -> Any:
        return self._call("resume_session", request=request, session=session)

    @hookimpl
    def gateway_open_reader(self, request: Any) -> Any:
        return self._call("open_reader", request=request)

    @hookimpl
    def gateway_explain_failure(self, run: Any) -> Any:
        return self._call("explain_failure", run=run)

    @hookimpl
    def gateway_list_models(self, program: Any) -> Any:
        return self._call("list_models", program=program)

    @hookimpl
    def gateway_upgrade_plan(self, target: Any, program: Any) -> Any:
        return self._call("upgrade_plan", target=target, program=program)

    @hookimpl
    def gateway_account_cache(self, record: Any, earlier: Any) -> Any:
        return self._call("account_cache", record=record, earlier=earlier)

    @hookimpl
    def gateway_loopback(self, service: Any, folder: Any, variant: Any) -> Any:
        return self._call("loopback", service=service, folder=folder, variant=variant)

    @hookimpl
    def gateway_price(self, usage: Usage, provider: str, model: str | None) -> Cost | None:
        return self._provider.price(usage, model) if provider == self._provider.info.name else None

    @hookimpl
    def gateway_settings(self) -> Mapping[str, type[BaseModel]]:
        model = self._provider.settings_model
        return {} if model is None else {self._provider.info.name: model}

    @hookimpl
    def gateway_configure(self, settings: Mapping[str, BaseModel]) -> None:
        self._provider.configure(settings[self._provider.info.name])


def _passed(method: Callable[..., Any], known: Sequence[str]) -> list[str]:
    """Return the parameters of a hook that this method has. Raises ValueError if it needs others."""
    own = inspect.signature(method).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in own):
        return list(known)
    unknown = [each.name for each in own if each.name not in known and each.default is each.empty]
    if unknown:
        raise ValueError(f"{method.__name__} has the parameters {', '.join(unknown)}; known are {', '.join(known)}")
    return [each.name for each in own if each.name in known]
