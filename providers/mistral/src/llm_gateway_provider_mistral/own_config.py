"""What of the user's and a trusted project's own configuration of Mistral Vibe applies to a run."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway import (
    ConfigChoice,
    ConfigSource,
    InstructionFile,
    Instructions,
    McpServer,
    OwnConfig,
    read_instructions,
    repository_files,
)
from llm_gateway_provider_kit.lines import as_text
from llm_gateway_provider_kit.own_home.launch import kept, merged
from llm_gateway_provider_kit.own_home.reading import address, project_file, tables, toml_settings
from llm_gateway_provider_mistral.own_home import KEPT

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TITLE, _NAME = "Mistral Vibe", "mistral"


@dataclass(frozen=True, slots=True, kw_only=True)
class VibeConfig:
    """What `argv.py` passes on."""

    project: Mapping[str, Any] = field(default_factory=dict)  #: settings of the trusted project
    hooks: tuple[Mapping[str, Any], ...] = ()  #: in Vibe's own form
    servers: tuple[Mapping[str, Any], ...] = ()  #: in Vibe's own form


def read(choice: ConfigChoice) -> OwnConfig:
    """Read what applies. Blocking. Raises InvalidRequest for a settings file that is not valid."""
    folder = choice.environ.get("VIBE_HOME") or os.path.join(choice.environ.get("HOME") or "/", ".vibe")
    sources = list(_settings_files(choice, folder))
    whole: dict[str, Any] = {}
    for _, found in sources:
        whole = _joined(whole, found)
    used = kept(whole, KEPT)
    texts = (
        read_instructions(instruction_files(choice, folder), imports=False) if choice.instructions else Instructions()
    )
    servers = tables(whole.get("mcp_servers")) if choice.user_mcp_servers else ()
    hooks = [hook for path in _hook_files(choice, folder) for hook in tables(_file(path, folder).get("hooks"))]
    services = _services(choice, used)
    model = choice.environ.get("VIBE_ACTIVE_MODEL") or as_text(used.get("active_model")) or None
    return OwnConfig(
        settings=VibeConfig(
            project=used if choice.source is ConfigSource.PROJECT else {},
            hooks=tuple(hooks) if choice.user_hooks else (),
            servers=tuple(servers),
        ),
        env_pass=tuple(sorted(filter(None, map(_key_variable, services)))),
        mcp_servers=tuple(_server(entry) for entry in servers if as_text(entry.get("name"))),
        instructions=texts.text,
        digest=texts.digest,
        files=tuple(path for path, _ in sources),
        instruction_files=texts.files,
        model=model,
        endpoint=_endpoint(choice, used, services, model),
        notices=texts.notices,
    )


def instruction_files(choice: ConfigChoice, folder: str) -> Iterator[InstructionFile]:
    """Yield the files that Vibe reads as instructions: the user's, then those of the repository, from its top inwards."""
    if choice.user:
        yield InstructionFile(path=os.path.join(folder, "AGENTS.md"), label="user-level instructions")
    if choice.working_dir:
        found = repository_files(choice.working_dir, choice.repository, ("AGENTS.md",), "project instructions")
        yield from (file for file in found if file.within == choice.repository)


def _settings_files(choice: ConfigChoice, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    path = os.path.join(folder, "config.toml")
    if choice.user and os.path.lexists(path):
        yield path, _file(path, folder)
    project = project_file(choice, ".vibe/config.toml")
    if project:
        yield project, _file(project, folder)


def _hook_files(choice: ConfigChoice, folder: str) -> Iterator[str]:
    project = project_file(choice, ".vibe/hooks.toml")
    if project:
        yield project
    if choice.user:
        yield os.path.join(folder, "hooks.toml")


def _file(path: str, folder: str) -> Mapping[str, Any]:
    return toml_settings(path, _TITLE, _NAME, follow=os.path.dirname(path) == folder)


def _joined(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of two files; lists of services, models and servers are joined by their names."""
    both = merged(below, above)
    for name, key in (("providers", "name"), ("models", "alias"), ("mcp_servers", "name")):
        known = {entry.get(key) or entry.get("name"): entry for entry in tables(below.get(name))}
        known |= {entry.get(key) or entry.get("name"): entry for entry in tables(above.get(name))}
        if known:
            both[name] = list(known.values())
    return both


def _services(choice: ConfigChoice, used: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*_of_environment(choice, "VIBE_PROVIDERS"), *tables(used.get("providers"))]


def _of_environment(choice: ConfigChoice, name: str) -> list[Mapping[str, Any]]:
    """Return the entries of a variable of Vibe: a list, or a table by name."""
    try:
        value = json.loads(choice.environ.get(name) or "[]")
    except (ValueError, RecursionError):
        return []
    if isinstance(value, dict):
        value = [{"name": key, "alias": key, **entry} for key, entry in value.items() if isinstance(entry, dict)]
    return list(tables(value))


def _endpoint(
    choice: ConfigChoice, used: Mapping[str, Any], services: list[Mapping[str, Any]], model: str | None
) -> str | None:
    models = [*_of_environment(choice, "VIBE_MODELS"), *tables(used.get("models"))]
    service = next(
        (entry.get("provider") for entry in models if model in (entry.get("alias"), entry.get("name"))), None
    )
    return next(
        (address(entry.get("api_base")) for entry in services if service and entry.get("name") == service), None
    )


def _key_variable(service: Mapping[str, Any]) -> str:
    name = as_text(service.get("api_key_env_var")) or ""
    return name if _VARIABLE.fullmatch(name) else ""


def _server(entry: Mapping[str, Any]) -> McpServer:
    command = entry.get("command")
    words = [str(word) for word in command] if isinstance(command, list) else [str(command or "")]
    args = entry.get("args")
    words += [str(word) for word in args] if isinstance(args, list) else []
    return McpServer(
        name=str(entry["name"]), command=words[0], args=tuple(words[1:]), url=as_text(entry.get("url")) or None
    )
