"""What of the user's and a trusted project's own configuration of Grok applies to a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llm_gateway import (
    ConfigChoice,
    ConfigSource,
    InstructionFile,
    Instructions,
    McpServer,
    OwnConfig,
    read_cached,
    read_instructions,
    repository_files,
)
from llm_gateway_provider_grok.own_home import KEPT
from llm_gateway_provider_kit.lines import as_dict, as_text
from llm_gateway_provider_kit.own_home.launch import kept, merged
from llm_gateway_provider_kit.own_home.reading import address, project_file, toml_settings

#: In the order in which Grok reads them.
_NAMES = ("Agents.md", "Claude.md", "CLAUDE.md", "CLAUDE.local.md", "AGENT.md", "AGENTS.md")
_IN_CLAUDE = (".claude/CLAUDE.md", ".claude/CLAUDE.local.md")
_RULES = (".grok/rules", ".claude/rules", ".cursor/rules")
_USER, _PROJECT = "instructions of the user", "instructions of the project"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TITLE, _NAME = "Grok", "grok"
_MOST_RULES = 200
_MOST_HOOK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GrokConfig:
    """What `argv.py` passes on."""

    settings: Mapping[str, Any] = field(default_factory=dict)  #: for config.toml: of the trusted project
    servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: in Grok's own form
    #: Those servers that the trusted project names. Grok starts no server of that name from the user's settings.
    of_project: frozenset[str] = frozenset()
    hooks: Mapping[str, str] = field(default_factory=dict)  #: files of hooks of the trusted project


def read(choice: ConfigChoice) -> OwnConfig:
    """Read what applies. Blocking. Raises InvalidRequest for a settings file that is not valid."""
    home = choice.environ.get("HOME") or "/"
    folder = choice.environ.get("GROK_HOME") or os.path.join(home, ".grok")
    own_file = os.path.join(folder, "config.toml")
    sources = list(_settings_files(choice, own_file))
    whole: dict[str, Any] = {}
    for _, found in sources:
        whole = merged(whole, found)
    used = kept(whole, KEPT)
    texts = Instructions()
    if choice.instructions:
        texts = read_instructions(instruction_files(choice, folder, home, whole), imports=False)
    servers = {}
    if choice.user_mcp_servers:
        servers = {name: entry for name, entry in as_dict(whole.get("mcp_servers")).items() if isinstance(entry, dict)}
    model = choice.environ.get("GROK_DEFAULT_MODEL") or as_text(as_dict(used.get("models")).get("default")) or None
    return OwnConfig(
        settings=GrokConfig(
            settings=_of_project(choice, sources),
            servers=servers,
            of_project=frozenset(
                name for path, found in sources if path != own_file for name in as_dict(found.get("mcp_servers"))
            ),
            hooks=dict(_project_hooks(choice)) if choice.user_hooks else {},
        ),
        env_pass=tuple(sorted(_variables(used, servers))),
        mcp_servers=tuple(_server(name, entry) for name, entry in servers.items()),
        instructions=texts.text,
        digest=texts.digest,
        files=tuple(path for path, _ in sources),
        instruction_files=texts.files,
        model=model,
        endpoint=_endpoint(choice, used, model),
        notices=texts.notices,
    )


def instruction_files(
    choice: ConfigChoice, folder: str, home: str, settings: Mapping[str, Any]
) -> Iterator[InstructionFile]:
    """Yield the files that Grok reads as instructions: the user's, then those of the repository, from its top inwards.

    Grok itself reads those of a project only where it trusts the folder.
    """
    compatible = as_dict(kept(settings, ("compat.claude",)).get("compat"))
    claude = as_dict(next(iter(compatible.values()), None))
    if choice.user:
        for name in (*_NAMES, *_rules(folder, "rules")):
            yield InstructionFile(path=os.path.join(folder, name), label=_USER)
        if claude.get("agents") is not False:
            yield from (InstructionFile(path=os.path.join(home, ".claude", name), label=_USER) for name in _NAMES)
        if claude.get("rules") is not False:
            for name in _rules(os.path.join(home, ".claude"), "rules"):
                yield InstructionFile(path=os.path.join(home, ".claude", name), label=_USER)
    if not choice.working_dir:
        return
    for place in repository_files(choice.working_dir, choice.repository, (".",), _PROJECT):
        above = os.path.dirname(place.path)
        if place.within == choice.repository and above != home:
            for name in (*_NAMES, *_IN_CLAUDE, *(rule for rules in _RULES for rule in _rules(above, rules))):
                yield replace(place, path=os.path.join(above, name))


def _rules(folder: str, name: str) -> list[str]:
    """Return the files of a folder of rules, relative to `folder`."""
    try:
        found = sorted(os.listdir(os.path.join(folder, name)))
    except OSError:
        return []
    return [f"{name}/{rule}" for rule in found if rule.endswith(".md")][:_MOST_RULES]


def _settings_files(choice: ConfigChoice, own_file: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if choice.user and os.path.lexists(own_file):
        yield own_file, toml_settings(own_file, _TITLE, _NAME, follow=True)
    project = project_file(choice, ".grok/config.toml")
    if project:
        # What Grok itself takes from a project's file.
        found = toml_settings(project, _TITLE, _NAME)
        yield project, kept(found, ("mcp_servers", "permission.deny"))


def _of_project(choice: ConfigChoice, sources: list[tuple[str, Mapping[str, Any]]]) -> Mapping[str, Any]:
    """Return the rules of the user and the project that deny; a project cannot allow anything."""
    if choice.source is not ConfigSource.PROJECT:
        return {}
    lists = [as_dict(found.get("permission")).get("deny") for _, found in sources]
    denied = [rule for rules in lists if isinstance(rules, list) for rule in rules]
    return {"permission": {"deny": denied}} if denied else {}


def _project_hooks(choice: ConfigChoice) -> Iterator[tuple[str, str]]:
    if choice.source is not ConfigSource.PROJECT:
        return
    folder = os.path.join(choice.repository, ".grok/hooks")
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        inside = os.path.realpath(path).startswith(choice.trusted.rstrip("/") + "/")
        if name.endswith(".json") and inside:
            try:
                yield f"hooks/project-{name}", read_cached(path, bytes.decode, most_bytes=_MOST_HOOK_BYTES)
            except (OSError, ValueError):
                continue


def _variables(used: Mapping[str, Any], servers: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the names of variables that hold keys and headers."""
    entries = [*as_dict(used.get("model")).values(), *as_dict(used.get("model_providers")).values()]
    named: list[object] = []
    for entry in filter(None, map(as_dict, entries)):
        keys = entry.get("env_key")
        named += keys if isinstance(keys, list) else [keys]
        named += as_dict(entry.get("env_http_headers")).values()
    named += [entry.get("bearer_token_env_var") for entry in servers.values()]
    yield from {name for name in named if isinstance(name, str) and _VARIABLE.fullmatch(name)}


def _endpoint(choice: ConfigChoice, used: Mapping[str, Any], model: str | None) -> str | None:
    entry = as_dict(as_dict(used.get("model")).get(model or ""))
    endpoints = as_dict(used.get("endpoints"))
    return (
        address(entry.get("base_url"))
        or address(choice.environ.get("GROK_MODELS_BASE_URL") or choice.environ.get("GROK_XAI_API_BASE_URL"))
        or address(endpoints.get("models_base_url") or endpoints.get("xai_api_base_url"))
    )


def _server(name: str, entry: Mapping[str, Any]) -> McpServer:
    args = entry.get("args")
    return McpServer(
        name=name,
        command=as_text(entry.get("command")) or "",
        args=tuple(map(str, args)) if isinstance(args, list) else (),
        url=as_text(entry.get("url")) or None,
    )
