"""Every key of the settings with its type, default and description, for the manual."""

from __future__ import annotations

import types
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from llm_gateway.settings import PluginSections
from llm_gateway.settings.keys import FIXED_NAMES, env_name, has_env, keys


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingKey:
    """One key of the settings."""

    path: tuple[str, ...]  #: `<name>` stands for a name that users choose
    type: str
    default: str
    env: tuple[str, ...]  #: the environment variables that override it
    description: str

    @property
    def key(self) -> str:
        """Such as `limits.running`."""
        return ".".join(self.path)


def reference(sections: PluginSections | None = None) -> list[SettingKey]:
    """Return every key of the kernel, then those of the loaded plugins."""
    return [
        SettingKey(
            path=path,
            type=_type_name(info.annotation),
            default=_default(info),
            env=_env_names(path, info),
            description=info.description or "",
        )
        for path, info in keys(sections or PluginSections())
    ]


def _env_names(path: tuple[str, ...], info: FieldInfo) -> tuple[str, ...]:
    if not has_env(path, info):
        return ()
    older = [name for name, (fixed, _) in FIXED_NAMES.items() if fixed == path]
    return (env_name(path), *older)


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
    if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("shown_default"):
        return str(info.json_schema_extra["shown_default"])
    value = info.get_default(call_default_factory=True)
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value.value if isinstance(value, Enum) else value}"'
    return "none" if value is None else str(value)
