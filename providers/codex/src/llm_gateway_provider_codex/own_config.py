"""What of the user's and a trusted project's own configuration of Codex applies to a run.

A run does not load `config.toml` by itself (`--ignore-user-config`): it may start programs, and open what the posture closes. So
the keys that apply are chosen here and given to the run with `-c`. Command lines are visible to every user of the machine, so
values that may be secret go into variables that Codex reads by name. Codex reads `AGENTS.md` by itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import tomli

from llm_gateway import (
    ConfigChoice,
    ConfigSource,
    InstructionFile,
    McpServer,
    Notice,
    OwnConfig,
    error_for,
    read_cached,
    read_instructions,
)

#: Keys that a project may set, too: how the model works, and which instructions there are.
_OF_PROJECTS = (
    *("model", "model_reasoning_effort", "model_reasoning_summary", "model_verbosity", "personality", "web_search"),
    *("developer_instructions", "project_doc_max_bytes", "project_doc_fallback_filenames", "tool_output_token_limit"),
)
#: Keys that choose model, account and endpoint. Everything else is left out, above all sandbox, approvals and trusted projects.
_KEPT = (
    *_OF_PROJECTS,
    *("model_context_window", "model_max_output_tokens", "model_auto_compact_token_limit", "model_catalog_json"),
    *("model_supports_reasoning_summaries", "model_instructions_file", "service_tier", "project_root_markers"),
    *("openai_base_url", "chatgpt_base_url", "forced_login_method", "forced_chatgpt_workspace_id"),
    "cli_auth_credentials_store",
)
_OF_SERVICES = (
    *("name", "base_url", "env_key", "wire_api", "query_params", "env_http_headers", "requires_openai_auth"),
    *("request_max_retries", "stream_max_retries", "stream_idle_timeout_ms", "supports_websockets", "auth", "aws"),
)
_OF_SERVERS = ("enabled_tools", "disabled_tools", "startup_timeout_sec", "tool_timeout_sec", "cwd")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECRET = re.compile(r"key|token|secret|sig|code|pass", re.I)
#: Codex hides variables with these words from its shells.
_BEARER = "CODEX_OWN_BEARER_TOKEN"
_HEADER = "CODEX_OWN_HEADER_TOKEN_"
_SERVICE_OVERRIDES = ("model_provider", "openai_base_url")
_MOST_BYTES = 1 << 20
_USER_FILES = ("AGENTS.override.md", "AGENTS.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodexConfig:
    """What `argv.py` passes on."""

    settings: Mapping[str, object] = field(default_factory=dict)  #: for `-c`
    servers: Mapping[str, Mapping[str, object]] = field(
        default_factory=dict
    )  #: more keys of `OwnConfig.mcp_servers`, by name


def read(choice: ConfigChoice, overrides: Iterable[str] = ()) -> OwnConfig:
    """Read what applies. Blocking. Raises InvalidRequest for a file that is not valid, or that cannot be passed on safely.

    :param overrides: the operator's own settings of Codex, which win.
    """
    folder = choice.environ.get("CODEX_HOME") or os.path.join(choice.environ.get("HOME") or "/", ".codex")
    sources = list(_sources(choice, folder))
    user = sources[0][1] if choice.user and sources and sources[0][0] == _user_file(folder) else {}
    settings = {name: user[name] for name in _KEPT if name in user}
    for path, found in sources:
        if path != _user_file(folder):
            settings |= {name: found[name] for name in _OF_PROJECTS if name in found}
    own_service = not any(override.lstrip().startswith(_SERVICE_OVERRIDES) for override in overrides)
    service = _service(user, _user_file(folder)) if own_service else _Service()
    settings |= service.settings
    if choice.user_hooks and isinstance(user.get("notify"), list):
        settings["notify"] = user["notify"]
    servers: dict[str, _Server] = {}
    if choice.user and choice.user_mcp_servers:
        for _, found in sources:
            servers |= dict(_servers(found))
    if not choice.instructions:
        settings |= {"project_doc_max_bytes": 0}
        settings.pop("developer_instructions", None)
    texts = read_instructions(_instruction_files(choice, folder, settings), imports=False, passed_on=False)
    return OwnConfig(
        settings=CodexConfig(settings=settings, servers={name: server.more for name, server in servers.items()}),
        env=service.env | {name: value for server in servers.values() for name, value in server.env.items()},
        env_pass=(*service.passed, *(name for server in servers.values() for name in server.passed)),
        mcp_servers=tuple(server.server for server in servers.values()),
        digest=texts.digest,
        files=tuple(path for path, _ in sources),
        instruction_files=texts.files,
        model=_text(settings.get("model")),
        endpoint=service.endpoint or _address(_text(settings.get("openai_base_url"))),
        notices=(*texts.notices, *_kept_anyway(choice, folder)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """The service that the user's settings choose."""

    settings: Mapping[str, object] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict, repr=False)
    passed: tuple[str, ...] = ()
    endpoint: str | None = None


def _service(user: Mapping[str, Any], path: str) -> _Service:
    chosen = user.get("model_provider")
    if not isinstance(chosen, str):
        return _Service()
    services = user.get("model_providers")
    table = services.get(chosen) if isinstance(services, dict) else None
    if not isinstance(table, dict):
        return _Service(settings={"model_provider": chosen})
    if not _ID.fullmatch(chosen):
        raise _not_passed(path, f"the name of the service {chosen!r} is not made of letters, digits, _ and -")
    _check_visible(path, table)
    kept = {name: table[name] for name in _OF_SERVICES if name in table}
    env: dict[str, str] = {}
    headers = dict(kept.get("env_http_headers") or {})
    for number, (name, value) in enumerate(sorted((table.get("http_headers") or {}).items())):
        env[f"{_HEADER}{number}"] = str(value)
        headers[name] = f"{_HEADER}{number}"
    if headers:
        kept["env_http_headers"] = headers
    if isinstance(table.get("experimental_bearer_token"), str):
        env[_BEARER] = table["experimental_bearer_token"]
        kept["env_key"] = _BEARER
    passed = (kept.get("env_key"), *headers.values())
    return _Service(
        settings={"model_provider": chosen, f"model_providers.{chosen}": kept},
        env=env,
        passed=tuple(str(name) for name in passed if name and name not in env),
        endpoint=_address(_text(table.get("base_url"))),
    )


def _check_visible(path: str, table: Mapping[str, Any]) -> None:
    """Raise InvalidRequest if the address of a service contains a secret: it would be visible on Codex's command line."""
    parts = urlsplit(str(table.get("base_url", "")))
    query = table.get("query_params")
    names = [name for name in query if _SECRET.search(name)] if isinstance(query, dict) else []
    if parts.username or parts.password or parts.query or names:
        raise _not_passed(
            path, "the address of its service contains a password or a key; use env_http_headers or env_key"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    server: McpServer
    more: Mapping[str, object]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    passed: tuple[str, ...] = ()


def _servers(source: Mapping[str, Any]) -> Iterator[tuple[str, _Server]]:
    tables = source.get("mcp_servers")
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if not isinstance(table, dict) or table.get("enabled") is False or not _ID.fullmatch(name):
            continue
        more: dict[str, object] = {key: table[key] for key in _OF_SERVERS if key in table}
        env, headers = {}, dict(table.get("env_http_headers") or {})
        for number, (header, value) in enumerate(sorted((table.get("http_headers") or {}).items())):
            variable = f"{_HEADER}{name.upper().replace('-', '_')}_{number}"
            env[variable], headers[header] = str(value), variable
        if headers:
            more["env_http_headers"] = headers
        if isinstance(table.get("bearer_token_env_var"), str):
            more["bearer_token_env_var"] = table["bearer_token_env_var"]
        given = [name for name in table.get("env_vars") or () if isinstance(name, str)]
        named = (more.get("bearer_token_env_var"), *headers.values(), *given)
        server = McpServer(
            name=name,
            command=str(table.get("command", "")),
            args=tuple(map(str, table.get("args") or ())),
            env={key: str(value) for key, value in (table.get("env") or {}).items()},
            url=_text(table.get("url")),
        )
        passed = tuple(str(variable) for variable in named if variable and variable not in env)
        yield name, _Server(server=server, more={**more, "env_vars": given}, env=env, passed=passed)


def _user_file(folder: str) -> str:
    return os.path.join(folder, "config.toml")


def _sources(choice: ConfigChoice, folder: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each file that applies and exists, with its content: the user's, then the project's from the outermost inwards."""
    if choice.user and (found := _table(_user_file(folder), follow=True)) is not None:
        yield _user_file(folder), found
    if choice.source is not ConfigSource.PROJECT:
        return
    for directory in _directories(choice):
        path = os.path.join(directory, ".codex", "config.toml")
        inside = os.path.realpath(path).startswith(choice.trusted.rstrip("/") + "/")
        if inside and path != _user_file(folder) and (found := _table(path)) is not None:
            yield path, found


def _directories(choice: ConfigChoice) -> list[str]:
    """Return the directories from the top of the repository to the working directory."""
    here = os.path.realpath(choice.working_dir)
    found = [here]
    while found[-1] != choice.repository and os.path.dirname(found[-1]) != found[-1]:
        found.append(os.path.dirname(found[-1]))
    return found[::-1] if found[-1] == choice.repository else [here]


def _table(path: str, *, follow: bool = False) -> Mapping[str, Any] | None:
    try:
        return read_cached(path, _parsed, most_bytes=_MOST_BYTES, follow=follow)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _not_passed(path, str(error)) from error


def _parsed(data: bytes) -> Mapping[str, Any]:
    return tomli.loads(data.decode())


def _not_passed(path: str, problem: str) -> Exception:
    return error_for(
        "invalid_request",
        f"Codex's settings in {path} cannot be used: {problem}. Without them the run could use another account.",
        recovery='Change the file, or set config = "isolated" under [providers.codex] in the settings.',
    )


def _instruction_files(choice: ConfigChoice, folder: str, settings: Mapping[str, Any]) -> list[InstructionFile]:
    """Return the files that Codex reads by itself: in each directory the first one that exists."""
    own = [InstructionFile(path=path, label="user") for path in _first(folder, _USER_FILES)]
    if not choice.working_dir or settings.get("project_doc_max_bytes") == 0:
        return own
    fallback = settings.get("project_doc_fallback_filenames")
    names = (*_USER_FILES, *(fallback if isinstance(fallback, list) else ()))
    for directory in _directories(choice):
        own += [InstructionFile(path=path, within=choice.repository) for path in _first(directory, names)]
    return own


def _first(directory: str, names: Iterable[str]) -> list[str]:
    paths = (os.path.join(directory, str(name)) for name in names)
    return [path for path in paths if os.path.isfile(path)][:1]


def _kept_anyway(choice: ConfigChoice, folder: str) -> Iterator[Notice]:
    """Yield a notice if the user's own file applies though it should not: Codex has no setting for it."""
    found = _first(folder, _USER_FILES)
    if found and not (choice.user and choice.instructions):
        yield Notice(
            code="instructions_kept",
            message=f"Codex reads {found[0]} in every run: it has no setting that leaves the file out.",
            details={"files": found},
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _address(url: str | None) -> str | None:
    """Return a service's address without user, password and query."""
    if not url:
        return None
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
