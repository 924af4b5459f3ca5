"""Build the command of a request. Pure.

The prompt goes to standard input. Several flags exist only before the word `resume`, so the sandbox flags come first in both
forms. What a newer version may remove is passed as a setting (`-c`): a Codex that does not know it prints a warning and goes
on. What a level depends on is passed as a flag: a Codex that does not know it does not start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from llm_gateway import RUN_FILES, Invocation, Notice, OwnConfig, Posture, Request, Resume, error_for
from llm_gateway_provider_codex import servers
from llm_gateway_provider_codex.options import CodexOptions, CodexSettings
from llm_gateway_provider_codex.own_config import CodexConfig
from llm_gateway_provider_codex.resume import home, record_paths
from llm_gateway_provider_kit import arguments

EXECUTABLE = "codex"
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")

MAX_PROMPT_CHARS = 1 << 20  # measured: with one character more, Codex begins a conversation and ends without a turn

_NO_CONFIG = OwnConfig()

BASE = ("--json", "--skip-git-repo-check")
#: A rule that allows a command also lets it run outside of the sandbox.
_NO_RULES = ("--ignore-rules",)
#: Flags that `resume` does not have.
_BEFORE_RESUME = ("--sandbox=", "--add-dir=")
_READING = ("--sandbox=read-only",)
_WRITING = ("--sandbox=workspace-write",)
LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: _READING,
    Posture.PLAN: _READING,
    Posture.PROMPTED: _READING,
    Posture.ACCEPT_EDITS: (*_WRITING, "--disable=shell_tool"),
    Posture.WORKSPACE_WRITE: _WRITING,
    Posture.BYPASS: ("--dangerously-bypass-approvals-and-sandbox",),
}

_SCRATCH = f"{RUN_FILES}/scratch"
SETTINGS: Mapping[str, object] = {
    # Without it, Codex retries an unreachable service without limit.
    "features.unbounded_connection_retries": False,
    "features.plugins": False,
    "features.apps": False,
    # No total includes the tokens of sub-agents.
    "agents.enabled": False,
    "analytics.enabled": False,
    "check_for_update_on_startup": False,
    # Otherwise its shells see CODEX_API_KEY and all other variables named as a key, a token or a secret.
    "shell_environment_policy.ignore_default_excludes": False,
}
#: By default the sandbox can write to /tmp and $TMPDIR. The run gets its own temporary folder instead.
_SANDBOX: Mapping[str, object] = {
    "sandbox_workspace_write.network_access": False,
    "sandbox_workspace_write.exclude_slash_tmp": True,
    "sandbox_workspace_write.exclude_tmpdir_env_var": True,
    "sandbox_workspace_write.writable_roots": [_SCRATCH],
    "shell_environment_policy.set.TMPDIR": _SCRATCH,
}
#: Only this log reports which MCP servers did not start, and how long Codex waits before it tries again.
ENV = {"RUST_LOG": "error,codex_mcp::rmcp_client=warn,codex_core::responses_retry=warn"}

#: Addresses of services in the operator's settings, with their ports.
_ADDRESS = re.compile(r"""base_url\s*=\s*["'](https?://[^/"'\s]+)""")
_NO_SHELL = (
    "Codex reads files with its shell, which accept_edits does not permit: this run sees only what the prompt and its MCP "
    "servers give it. workspace_write gives it a shell in a sandbox."
)


def build(
    request: Request,
    posture: Posture,
    resume: Resume,
    settings: CodexSettings,
    environ: Mapping[str, str],
    *,
    own: OwnConfig = _NO_CONFIG,
) -> Invocation:
    """Return the command. Raises InvalidRequest for values that Codex would misread or silently ignore."""
    options = request.options if isinstance(request.options, CodexOptions) else CodexOptions()
    files: dict[str, bytes] = {}
    level = [*LEVELS[posture], *_add_dirs(request)]
    config = dict(SETTINGS)
    if posture in (Posture.ACCEPT_EDITS, Posture.WORKSPACE_WRITE):
        config |= _SANDBOX
        files["scratch/.keep"] = b""
    config |= _requested_settings(request, options)
    kept = own.settings if isinstance(own.settings, CodexConfig) else CodexConfig()
    users = dict(kept.settings) | _own_servers(request, own, kept, files, approved=posture >= Posture.PROMPTED)
    config |= servers.settings(request.mcp_servers, files, approved=posture >= Posture.PROMPTED)

    before = [flag for flag in level if flag.startswith(_BEFORE_RESUME)]
    argv = [EXECUTABLE, "exec", *before]
    if not resume.fresh:
        argv.append("resume")
    argv += BASE
    argv += [flag for flag in level if flag not in before]
    argv.append("--ignore-user-config")
    if posture is not Posture.BYPASS:
        argv += _NO_RULES
    for override in (*_pairs(users), *settings.overrides, *_pairs(config)):  # a later one wins
        argv += ["-c", override]
    if request.model is not None:
        argv.append(f"--model={arguments.model(request.model)}")
    if request.output_schema is not None:
        files["schema.json"] = json.dumps(request.output_schema).encode()
        argv.append(f"--output-schema={RUN_FILES}/schema.json")
    argv += ["-"] if resume.fresh else [str(resume.native_id), "-"]
    return Invocation(
        argv=tuple(argv),
        stdin=_stdin(request.prompt.text),
        env=ENV,
        files=files,
        # Codex prints totals of the conversation; the tokens of this turn are in the conversation's record.
        artifacts=() if resume.fresh else record_paths(str(resume.native_id), home(environ)),
        warnings=(Notice(code="no_shell", message=_NO_SHELL),) if posture is Posture.ACCEPT_EDITS else (),
        hosts=tuple(_ADDRESS.findall("\n".join((*settings.overrides, *_pairs(users))))),
    )


def _pairs(config: Mapping[str, object]) -> Iterator[str]:
    yield from (f"{key}={toml(value)}" for key, value in config.items())


def _own_servers(
    request: Request, own: OwnConfig, kept: CodexConfig, files: dict[str, bytes], *, approved: bool
) -> dict[str, object]:
    """Return the settings of the user's own servers. One that does not start does not end the run."""
    named = {server.name for server in request.mcp_servers}
    others = [server for server in own.mcp_servers if server.name not in named]
    config = servers.settings(others, files, approved=approved, required=False)
    for server in others:
        for key, value in kept.servers.get(server.name, {}).items():
            path = f"mcp_servers.{server.name}.{key}"
            known = config.get(path)
            config[path] = [*known, *value] if isinstance(known, list) and isinstance(value, list) else value
    return config


def toml(value: object) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(toml, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{toml(str(key))}={toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def _requested_settings(request: Request, options: CodexOptions) -> dict[str, object]:
    config: dict[str, object] = {}
    if request.effort is not None:
        config["model_reasoning_effort"] = arguments.effort(request.effort, EFFORTS)  # Codex does not check it
    if options.search is not None:
        config["web_search"] = "live" if options.search else "disabled"
    return config


def _add_dirs(request: Request) -> Iterator[str]:
    """Additional directories. They have an effect only in a sandbox that permits writing."""
    for path in request.add_dirs:
        yield arguments.option("--add-dir", arguments.directory(path))


def _stdin(text: str) -> bytes:
    if len(text) > MAX_PROMPT_CHARS:
        raise error_for(
            "input_too_large",
            f"Codex takes prompts of at most {MAX_PROMPT_CHARS:,} characters; this one has {len(text):,}",
        )
    return arguments.utf8(text)
