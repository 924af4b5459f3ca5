"""What of the user's and a trusted project's own configuration of Gemini CLI applies to a run.

`overlay.cjs` gives a run those settings; `GeminiConfig.choice` tells it which. Gemini CLI reads instruction files itself, in every
directory that it runs in, so they are only named here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway import (
    ConfigChoice,
    InstructionFile,
    Instructions,
    McpServer,
    OwnConfig,
    error_for,
    read_cached,
    read_instructions,
    repository_files,
)
from llm_gateway_provider_gemini.gemini_cli.login import without_comments
from llm_gateway_provider_kit.lines import as_dict, as_text
from llm_gateway_provider_kit.own_home.launch import kept, merged
from llm_gateway_provider_kit.own_home.reading import address, project_file

#: Settings that choose model, account and service, say which instructions are read, or remove tools.
KEPT = (
    *("security.auth", "security.allowedEnvironmentVariables", "model.name", "model.compressionThreshold"),
    *("model.summarizeToolOutput", "modelConfigs", "context.fileName", "context.importFormat"),
    *("context.fileFiltering.respectGitIgnore", "context.fileFiltering.respectGeminiIgnore", "proxy"),
    *("advanced.dnsResolutionOrder", "tools.exclude", "mcp.excluded"),
)
#: Of a project. It must not choose the way to log in, which could be another account.
KEPT_OF_PROJECT = tuple(name for name in KEPT if not name.startswith("security."))
HOOKS = ("hooks", "hooksConfig")
#: It is read in addition to the files that `context.fileName` names.
_DEFAULT_FILE = "GEMINI.md"
_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiConfig:
    """What `argv.py` passes on."""

    choice: Mapping[str, Any] = field(default_factory=dict)  #: for `overlay.cjs`
    extensions: bool = False  #: whether the user's extensions start


def read(choice: ConfigChoice) -> OwnConfig:
    """Read what applies. Blocking. Raises InvalidRequest for a settings file that is not valid."""
    folder = os.path.join(choice.environ.get("GEMINI_CLI_HOME") or choice.environ.get("HOME") or "/", ".gemini")
    own_file = os.path.join(folder, "settings.json")
    user = _settings(own_file, follow=True) if choice.user else {}
    project_path = project_file(choice, ".gemini/settings.json")
    project = _settings(project_path) if project_path else {}
    hooks = HOOKS if choice.user_hooks else ()
    used = merged(kept(user, (*KEPT, *hooks)), kept(project, (*KEPT_OF_PROJECT, *hooks)))
    names = _names(used)
    candidates = list(instruction_files(choice, folder, names))
    texts = Instructions()
    if choice.instructions:
        texts = read_instructions(candidates, home=os.path.dirname(folder), passed_on=False)
    servers = {}
    if choice.user_mcp_servers:
        servers = {**as_dict(user.get("mcpServers")), **as_dict(project.get("mcpServers"))}
        servers = {name: entry for name, entry in servers.items() if isinstance(entry, dict)}
    env_file = os.path.join(folder, ".env")
    files = [
        path for path in (own_file if choice.user else "", project_path, env_file) if path and os.path.isfile(path)
    ]
    return OwnConfig(
        settings=GeminiConfig(
            choice={
                "keep": [*KEPT, *hooks] if choice.user else ["security.auth"],
                "project": kept(project, (*KEPT_OF_PROJECT, *hooks)),
                "servers": servers,
                "unseen": [
                    *(() if choice.user else (os.path.join(folder, name) for name in names)),
                    *(() if choice.instructions else (file.path for file in candidates)),
                ],
            },
            extensions=choice.user_hooks and choice.user,
        ),
        mcp_servers=tuple(_server(name, entry) for name, entry in servers.items()),
        digest=texts.digest,
        files=tuple(files),
        instruction_files=texts.files,
        model=choice.environ.get("GEMINI_MODEL") or as_text(as_dict(used.get("model")).get("name")) or None,
        endpoint=address(choice.environ.get("GOOGLE_GEMINI_BASE_URL") or choice.environ.get("GOOGLE_VERTEX_BASE_URL")),
        notices=texts.notices,
    )


def instruction_files(choice: ConfigChoice, folder: str, names: list[str]) -> Iterator[InstructionFile]:
    """Yield the files that Gemini CLI reads as instructions: the user's, then those of the repository, from its top inwards."""
    if choice.user:
        yield from (InstructionFile(path=os.path.join(folder, name)) for name in names)
    if choice.working_dir:
        found = repository_files(choice.working_dir, choice.repository, names, "")
        yield from (file for file in found if file.within == choice.repository)


def _names(used: Mapping[str, Any]) -> list[str]:
    chosen = as_dict(used.get("context")).get("fileName")
    names = [name for name in (chosen if isinstance(chosen, list) else [chosen]) if isinstance(name, str) and name]
    return list(dict.fromkeys([*names, _DEFAULT_FILE]))


def _settings(path: str, *, follow: bool = False) -> Mapping[str, Any]:
    try:
        return read_cached(path, _parsed, most_bytes=_MOST_BYTES, follow=follow)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise error_for(
            "invalid_request",
            f"Gemini CLI's settings in {path} cannot be used: {error}. Without them the run could use another account.",
            recovery='Correct the file, or set config = "isolated" under [providers.gemini] in the settings.',
        ) from error


def _parsed(data: bytes) -> Mapping[str, Any]:
    document = json.loads(without_comments(data.decode("utf-8-sig")) or "{}")
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def _server(name: str, entry: Mapping[str, Any]) -> McpServer:
    args = entry.get("args")
    return McpServer(
        name=name,
        command=as_text(entry.get("command")) or "",
        args=tuple(map(str, args)) if isinstance(args, list) else (),
        url=as_text(entry.get("httpUrl")) or as_text(entry.get("url")) or None,
    )
