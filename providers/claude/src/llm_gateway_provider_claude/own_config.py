"""What of the user's and a trusted project's own configuration of Claude Code applies to a run.

A run loads no settings file by itself (`--setting-sources ""`): headless, Claude Code trusts every directory, and permission rules
of a settings file open what the posture closes. So the settings that apply are chosen here, key by key, and given to the run
with `--settings`. Variables go into the run's environment, because their values may be secret. Instruction files are passed on as
text, in the order in which Claude Code reads them (measured with 2.1.330).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from llm_gateway import (
    ConfigChoice,
    ConfigSource,
    InstructionFile,
    Instructions,
    OwnConfig,
    error_for,
    read_cached,
    read_instructions,
    repository_files,
)
from llm_gateway.programs import starts_gateway

#: Keys that choose model, account, endpoint and credential helper, and how the model works. Everything else is left out, above all
#: permission rules that allow, additional directories, the default mode, the sandbox and status lines.
_KEPT = (
    *("model", "modelOverrides", "availableModels", "effortLevel", "alwaysThinkingEnabled", "fastMode", "language"),
    *("apiKeyHelper", "proxyAuthHelper", "awsAuthRefresh", "awsCredentialExport", "gcpAuthRefresh"),
    *("forceLoginMethod", "forceLoginOrgUUID", "attribution", "includeCoAuthoredBy"),
)
#: Kept if the operator lets hooks start.
_HOOKS = ("hooks", "disableAllHooks", "enabledPlugins", "extraKnownMarketplaces")
#: Variables that say what is read, or that belong to the run that Claude Code itself starts.
_NOT_SET = frozenset({"CLAUDE_CONFIG_DIR", "CLAUDECODE", "CLAUDE_PROJECT_DIR", "IS_SANDBOX"})
_SESSION = ("CLAUDE_CODE_SESSION", "CLAUDE_CODE_ENTRYPOINT")

_USER = "user's private global instructions for all projects"
_PROJECT = "project instructions, checked into the codebase"
_LOCAL = "user's private project instructions, not checked in"
_INTRODUCTION = (
    "The instructions of the user and of the code base follow. They override the default behavior: follow them exactly."
)
_MOST_BYTES = 4 << 20
_MOST_RULES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaudeConfig:
    """What `argv.py` passes on."""

    settings: Mapping[str, Any] = field(default_factory=dict)  #: for `--settings`
    servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  #: for `--mcp-config`, as they are written


def read(choice: ConfigChoice) -> OwnConfig:
    """Read what applies. Blocking. Raises InvalidRequest for a settings file that is not valid."""
    home = choice.environ.get("HOME") or "/"
    folder = choice.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")
    sources = [(path, found) for path, found in _settings_files(choice, folder) if found is not None]
    merged = merge([found for _, found in sources], hooks=choice.user_hooks)
    env = _variables([found for _, found in sources])
    servers: dict[str, Mapping[str, Any]] = {}
    server_files: list[str] = []
    if choice.user and choice.user_mcp_servers:
        servers, server_files = _servers(choice, folder, home)
    texts = Instructions()
    if choice.instructions:
        files = list(instruction_files(choice, folder))
        texts = read_instructions(files, home=home, edit=_without_frontmatter)
    whole = {**choice.environ, **env}
    return OwnConfig(
        settings=ClaudeConfig(settings=merged, servers=servers),
        env=env,
        instructions=f"{_INTRODUCTION}\n\n{texts.text}" if texts.text else "",
        digest=texts.digest,
        files=(*(path for path, _ in sources), *server_files),
        instruction_files=texts.files,
        model=whole.get("ANTHROPIC_MODEL") or merged.get("model"),
        endpoint=_address(whole.get("ANTHROPIC_BASE_URL")),
        notices=texts.notices,
    )


def merge(sources: list[Mapping[str, Any]], *, hooks: bool) -> dict[str, Any]:
    """Return the settings that apply; a later source wins. Of permission rules, only those that forbid or ask are kept. Pure."""
    merged: dict[str, Any] = {}
    rules: dict[str, list[str]] = {}
    for source in sources:
        merged |= {name: source[name] for name in (*_KEPT, *(_HOOKS if hooks else ())) if name in source}
        permissions = source.get("permissions")
        for kind in ("deny", "ask"):
            found = permissions.get(kind) if isinstance(permissions, dict) else None
            if isinstance(found, list):
                rules.setdefault(kind, []).extend(rule for rule in found if isinstance(rule, str))
    return {**merged, "permissions": rules} if rules else merged


def _variables(sources: list[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in sources:
        env = source.get("env")
        for name, value in env.items() if isinstance(env, dict) else ():
            if name not in _NOT_SET and not name.startswith(_SESSION) and isinstance(value, (str, int)):
                found[name] = str(value)
    return found


def _settings_files(choice: ConfigChoice, folder: str) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Yield each settings file that applies, with its content; None: it does not exist."""
    if choice.user:
        path = os.path.join(folder, "settings.json")
        yield path, _json_object(path, follow=True)
    if choice.source is ConfigSource.PROJECT:
        for name in ("settings.json", "settings.local.json"):
            path = os.path.join(choice.working_dir, ".claude", name)
            if _is_in(os.path.realpath(path), choice.trusted):
                yield path, _json_object(path)


def _servers(choice: ConfigChoice, folder: str, home: str) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """Return the MCP servers of the user, and of a trusted project, without this gateway; and the files that name them."""
    state = os.path.join(folder if choice.environ.get("CLAUDE_CONFIG_DIR") else home, ".claude.json")
    found: dict[str, Mapping[str, Any]] = {}
    files = []
    known = _json_object(state, follow=True)
    projects = known.get("projects") if known else None
    own = projects.get(choice.working_dir) if isinstance(projects, dict) else None
    for holder, path in ((known, state), (own, state), (_project_servers(choice), _project_file(choice))):
        servers = holder.get("mcpServers") if isinstance(holder, dict) else None
        if isinstance(servers, dict) and servers:
            files.append(path)
            found |= {name: entry for name, entry in servers.items() if isinstance(entry, dict) and _may_start(entry)}
    return found, list(dict.fromkeys(files))


def _project_file(choice: ConfigChoice) -> str:
    return os.path.join(choice.working_dir, ".mcp.json")


def _project_servers(choice: ConfigChoice) -> Mapping[str, Any] | None:
    path = _project_file(choice)
    if choice.source is not ConfigSource.PROJECT or not _is_in(os.path.realpath(path), choice.trusted):
        return None
    return _json_object(path)


def _may_start(entry: Mapping[str, Any]) -> bool:
    args = entry.get("args")
    return not starts_gateway(str(entry.get("command", "")), map(str, args) if isinstance(args, list) else ())


def _json_object(path: str, *, follow: bool = False) -> Mapping[str, Any] | None:
    try:
        return read_cached(path, _parsed, most_bytes=_MOST_BYTES, follow=follow)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise error_for(
            "invalid_request",
            f"Claude Code's settings in {path} cannot be used: {error}. Without them the run could use another account.",
            recovery='Mend the file, or set config = "isolated" under [providers.claude] in the settings.',
        ) from error


def _parsed(data: bytes) -> Mapping[str, Any]:
    document = json.loads(data.decode("utf-8-sig") or "{}")
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def instruction_files(choice: ConfigChoice, folder: str) -> Iterator[InstructionFile]:
    """Yield the files that Claude Code reads as instructions, in its order: the user's, then from the outermost directory inwards."""
    if choice.user:
        yield InstructionFile(path=os.path.join(folder, "CLAUDE.md"), label=_USER)
        yield from (InstructionFile(path=path, label=_USER) for path in _rules(folder))
    if not choice.working_dir:
        return
    named = repository_files(choice.working_dir, choice.repository, ("CLAUDE.md", ".claude/CLAUDE.md"), _PROJECT)
    if not any(os.path.lexists(file.path) for file in named):
        yield from repository_files(choice.working_dir, choice.repository, ("AGENTS.md",), _PROJECT)
    for place in repository_files(choice.working_dir, choice.repository, (".claude",), _PROJECT):
        above = os.path.dirname(place.path)
        yield replace(place, path=os.path.join(above, "CLAUDE.md"))
        if place.path != folder:  # in the home, `.claude` is the user's own folder, which has been named
            yield replace(place, path=os.path.join(place.path, "CLAUDE.md"))
            yield from (replace(place, path=path) for path in _rules(place.path))
        yield replace(place, path=os.path.join(above, "CLAUDE.local.md"), label=_LOCAL)


def _rules(folder: str) -> list[str]:
    """Return the files in the folder of rules: those of a directory before those of its subdirectories. No link is followed."""
    found: list[str] = []
    for here, folders, names in os.walk(os.path.join(folder, "rules")):
        folders.sort()
        found += [os.path.join(here, name) for name in sorted(names) if name.endswith(".md")]
        if len(found) >= _MOST_RULES:
            break
    return found[:_MOST_RULES]


def _without_frontmatter(path: str, text: str) -> str | None:
    """Return the text of a rule without its header; None for a rule of certain paths, which Claude Code reads when it opens them."""
    if f"{os.sep}rules{os.sep}" not in path or not text.startswith("---\n"):
        return text
    header, end, rest = text[4:].partition("\n---")
    if not end:
        return text
    return None if any(line.startswith("paths:") for line in header.splitlines()) else rest.lstrip("-\n")


def _is_in(path: str, folder: str) -> bool:
    return bool(folder) and path.startswith(folder.rstrip("/") + "/")


def _address(url: str | None) -> str | None:
    """Return a service's address without user, password and query."""
    if not url:
        return None
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
