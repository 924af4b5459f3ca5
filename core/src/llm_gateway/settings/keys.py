"""Every key of the settings: where it stands, and the environment variable that says the same."""

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
#: Names from before there was a rule: environment variable -> key, and how many of its units make one of the key's.
FIXED_NAMES = {
    "LLM_GATEWAY_JOB_RETENTION_DAYS": (("jobs", "retention_days"), 1),
    "LLM_GATEWAY_DEDUP_WINDOW_MS": (("dedup_window_s",), 1000),
}
#: Variables that are no keys of the file.
OTHER_NAMES = {
    "LLM_GATEWAY_HOME": "The home directory, instead of `~/.llm-cli-gateway`: an absolute path, in which `~`, `~user`, `$NAME` and `${NAME}` are replaced.",
    "LLM_GATEWAY_CONFIG": "The settings file, instead of `config.toml` in the home: a path as above. It must exist.",
    "LLM_GATEWAY_PLUGINS": "Providers, policies and extensions to load: names or `kind:name`, with commas; empty: none.",
    "LLM_GATEWAY_TRACE_HOOKS": "`1`: print every hook call with its time to stderr.",
    "LLM_GATEWAY_LOG": "What is logged to stderr: `DEBUG`, `INFO`, `WARNING` (the default) or `ERROR`.",
    "LLM_GATEWAY_APPROVAL_ALLOW_BYPASS": "`1`: policies may let a run have the posture `bypass`.",
    "LLM_GATEWAY_DEPTH": "Set by the gateway for its runs: how many gateways stand above.",
    "LLM_GATEWAY_JOB": "Set by the gateway for its runs: the id of the job.",
}

KeyPath = tuple[str, ...]


def keys(sections: PluginSections) -> Iterator[tuple[KeyPath, FieldInfo]]:
    """Every key of the kernel, then those of the loaded plugins; `<name>` stands for a name of the user's."""
    for name, info in FileSettings.model_fields.items():
        kind = info.annotation
        *_, inner = get_args(kind) or (kind,)
        if isinstance(inner, type) and issubclass(inner, Section):
            around = (name,) if inner is kind else (name, "<name>")
            yield from (((*around, key), field) for key, field in inner.model_fields.items())
        else:
            yield (name,), info
    models: dict[KeyPath, type[BaseModel] | None] = {
        ("providers", name): own for name, own in sections.providers.items()
    }
    models.update(((section,), model) for section, model in sections.top.items())
    for at, model in models.items():
        yield from (((*at, key), field) for key, field in (model.model_fields.items() if model else ()))


def env_keys(sections: PluginSections) -> dict[str, KeyPath]:
    """The environment variables that stand for keys: name -> path."""
    found: list[KeyPath] = []
    for path, info in keys(sections):
        if has_env(path, info):
            named = [(path[0], name, *path[2:]) for name in sections.providers]
            found += named if "<name>" in path else [path]
    return {**{env_name(path): path for path in found}, **{name: path for name, (path, _) in FIXED_NAMES.items()}}


def env_name(path: tuple[str, ...]) -> str:
    """The environment variable of a key."""
    return PREFIX + "_".join(path).upper()


def has_env(path: KeyPath, info: FieldInfo) -> bool:
    """Whether an environment variable can say it."""
    return is_scalar(info.annotation) and path[0] != "mcp_servers"


def is_scalar(annotation: Any) -> bool:
    """Whether one string can say it."""
    if get_origin(annotation) in (Union, types.UnionType):
        return all(is_scalar(arg) for arg in get_args(annotation) if arg is not type(None))
    return get_origin(annotation) is Literal or (
        isinstance(annotation, type) and issubclass(annotation, (str, int, float, Enum, Path))
    )
