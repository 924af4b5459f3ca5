"""Every key of the settings: its path and its environment variable."""

from __future__ import annotations

import types
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from llm_gateway.settings.model import FileSettings, PluginSections, Section

PREFIX = "LLM_GATEWAY_"
#: Variables that are older than the naming rule: name -> key, and the factor between the units (1000 for ms to s).
FIXED_NAMES = {
    "LLM_GATEWAY_JOB_RETENTION_DAYS": (("jobs", "retention_days"), 1),
    "LLM_GATEWAY_DEDUP_WINDOW_MS": (("dedup_window_s",), 1000),
}
#: Variables that are not keys of the file.
OTHER_NAMES = {
    "LLM_GATEWAY_HOME": "The home directory, default `~/.llm-cli-gateway`: an absolute path. `~`, `~user`, `$NAME` and `${NAME}` are replaced.",
    "LLM_GATEWAY_CONFIG": "The settings file, default `config.toml` in the home: a path as above. The file must exist.",
    "LLM_GATEWAY_PLUGINS": "Providers, policies and extensions to load: names or `kind:name`, separated by commas; empty: none. Not set: all.",
    "LLM_GATEWAY_TRACE_HOOKS": "`1`: print every hook call with its time to stderr.",
    "LLM_GATEWAY_LOG": "The level of the log on stderr: `DEBUG`, `INFO`, `WARNING` (the default) or `ERROR`.",
    "LLM_GATEWAY_APPROVAL_ALLOW_BYPASS": "`1`: policies may allow the posture `bypass`.",
    "LLM_GATEWAY_PORTABLE": "`1`: on Linux, the local engine uses psutil and watchfiles, as on macOS. For tests.",
    "LLM_GATEWAY_DEPTH": "Set by the gateway for its runs: the number of gateways that called each other.",
    "LLM_GATEWAY_JOB": "Set by the gateway for its runs: the id of the job.",
}

KeyPath = tuple[str, ...]


def keys(sections: PluginSections) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """Yield every key of the kernel, then those of the loaded plugins. `<name>` in a path stands for a name that users choose."""
    for name, info in FileSettings.model_fields.items():
        annotation = info.annotation
        arguments = get_args(annotation)
        inner = arguments[-1] if arguments else annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            path = (name,) if inner is annotation else (name, "<name>")
            yield from _fields(path, inner)
        else:
            yield (name,), info
    for provider, model in sections.providers.items():
        if model is not None:
            yield from _fields(("providers", provider), model)
    for section, model in sections.top.items():
        yield from _fields((section,), model)


def _fields(path: KeyPath, model: type[BaseModel]) -> Iterator[tuple[KeyPath, FieldInfo]]:
    for key, field in model.model_fields.items():
        yield (*path, key), field


def env_keys(sections: PluginSections) -> dict[str, KeyPath]:
    """Return the environment variables of all keys: name -> path."""
    found: list[KeyPath] = []
    for path, info in keys(sections):
        if not has_env(path, info):
            continue
        if "<name>" in path:
            found += [(path[0], name, *path[2:]) for name in sections.providers]
        else:
            found.append(path)
    names = {env_name(path): path for path in found}
    names.update((name, path) for name, (path, _) in FIXED_NAMES.items())
    return names


def env_name(path: tuple[str, ...]) -> str:
    """Return the environment variable of a key."""
    return PREFIX + "_".join(path).upper()


def has_env(path: KeyPath, info: FieldInfo) -> bool:
    """Return whether the key has an environment variable."""
    return is_scalar(info.annotation) and path[0] != "mcp_servers"


def is_scalar(annotation: Any) -> bool:
    """Return whether a value of this type can be written as one string."""
    if get_origin(annotation) in (Union, types.UnionType):
        return all(is_scalar(arg) for arg in get_args(annotation) if arg is not type(None))
    return get_origin(annotation) is Literal or (
        isinstance(annotation, type) and issubclass(annotation, (str, int, float, Enum, Path))
    )
