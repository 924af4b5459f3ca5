"""Every key of the settings as data: for the manual, for `llm-gateway config`, and for the environment."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from llm_gateway.settings.model import FileSettings, McpServerSection, PluginSections, ProviderSection, Section

PREFIX = "LLM_GATEWAY_"
#: Names from before there was a rule: environment variable -> key, and how many of its units make one of the key's.
FIXED_NAMES = {
    "LLM_GATEWAY_JOB_RETENTION_DAYS": (("jobs", "retention_days"), 1),
    "LLM_GATEWAY_DEDUP_WINDOW_MS": (("dedup_window_s",), 1000),
}
#: Variables that are no keys of the file.
OTHER_NAMES = {
    "LLM_GATEWAY_HOME": "The home directory, instead of `~/.llm-cli-gateway`.",
    "LLM_GATEWAY_CONFIG": "The settings file, instead of `config.toml` in the home. It must exist.",
    "LLM_GATEWAY_PLUGINS": "Providers, policies and extensions to load: names or `kind:name`, with commas; empty: none.",
    "LLM_GATEWAY_TRACE_HOOKS": "`1`: print every hook call with its time to stderr.",
    "LLM_GATEWAY_LOG": "What is logged to stderr: `DEBUG`, `INFO`, `WARNING` (the default) or `ERROR`.",
    "LLM_GATEWAY_APPROVAL_ALLOW_BYPASS": "`1`: policies may let a run have the posture `bypass`.",
    "LLM_GATEWAY_DEPTH": "Set by the gateway for its runs: how many gateways stand above.",
    "LLM_GATEWAY_JOB": "Set by the gateway for its runs: the id of the job.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingKey:
    """One key."""

    path: tuple[str, ...]  #: `<name>` stands for a name of the user's
    type: str
    default: str
    env: tuple[str, ...]  #: the environment variables that override it
    description: str

    @property
    def key(self) -> str:
        """Such as `limits.running`."""
        return ".".join(self.path)


def reference(sections: PluginSections | None = None) -> list[SettingKey]:
    """Every key of the kernel, then those of the loaded plugins."""
    return [
        SettingKey(
            path=path,
            type=_type_name(info.annotation),
            default=_default(info),
            env=(env_name(path), *(name for name, (fixed, _) in FIXED_NAMES.items() if fixed == path))
            if is_scalar(info.annotation) and path[0] != "mcp_servers"
            else (),
            description=info.description or "",
        )
        for path, info in [*_kernel_keys(), *_templates(), *_plugin_keys(sections or PluginSections())]
    ]


def env_keys(sections: PluginSections) -> dict[str, tuple[str, ...]]:
    """The environment variables that stand for keys: name -> path."""
    providers = ((("providers", n, key), info) for n in sections.providers for key, info in _fields(ProviderSection))
    keys = [*_kernel_keys(), *providers, *_plugin_keys(sections)]
    names = {env_name(path): path for path, info in keys if is_scalar(info.annotation)}
    return {**names, **{name: path for name, (path, _) in FIXED_NAMES.items()}}


def env_name(path: tuple[str, ...]) -> str:
    """The environment variable of a key."""
    return PREFIX + "_".join(path).upper()


def is_scalar(annotation: Any) -> bool:
    """Whether one string can say it."""
    if get_origin(annotation) in (Union, types.UnionType):
        return all(is_scalar(arg) for arg in get_args(annotation) if arg is not type(None))
    return get_origin(annotation) is Literal or (
        isinstance(annotation, type) and issubclass(annotation, (str, int, float, Enum, Path))
    )


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    yield from model.model_fields.items()


def _kernel_keys() -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, info in _fields(FileSettings):
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section):
            for key, inner in _fields(info.annotation):
                yield (name, key), inner
        elif name not in ("providers", "mcp_servers"):
            yield (name,), info


def _templates() -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for section, model in (("providers", ProviderSection), ("mcp_servers", McpServerSection)):
        for key, info in _fields(model):
            yield (section, "<name>", key), info


def _plugin_keys(sections: PluginSections) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for provider, model in sections.providers.items():
        for key, info in _fields(model) if model else ():
            yield ("providers", provider, key), info
    for section, model in sections.top.items():
        for key, info in _fields(model):
            yield (section, key), info


def _type_name(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if arg is type(None) else _type_name(arg) for arg in args)
    if origin is Literal:
        return " or ".join(f'"{arg}"' for arg in args)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f'"{member.value}"' for member in annotation)
    if origin is not None:
        return "list of strings" if issubclass(origin, tuple) else "table of strings"
    return {str: "string", int: "integer", float: "number", bool: "boolean", Path: "path"}.get(annotation, "value")


def _default(info: FieldInfo) -> str:
    if isinstance(info.json_schema_extra, dict) and (shown := info.json_schema_extra.get("shown_default")):
        return str(shown)
    value = info.get_default(call_default_factory=True)
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value.value if isinstance(value, Enum) else value}"'
    return "none" if value is None else "{}" if value == {} else str(value)
