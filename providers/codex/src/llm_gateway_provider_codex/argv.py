"""A request as a command. Pure.

The prompt goes by standard input. Several flags exist only before the word `resume`, so the ones of the sandbox stand first in
both forms. What newer versions may drop is said as a setting (`-c`), which an older or newer Codex passes over with a warning;
what a level rests on is said as a flag, without which Codex does not start.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping

from llm_gateway import RUN_FILES, Invocation, Notice, Posture, Request, Resume, error_for
from llm_gateway_provider_codex import servers
from llm_gateway_provider_codex.options import CodexOptions, CodexSettings
from llm_gateway_provider_codex.resume import home, record_paths

EXECUTABLE = "codex"
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")

MAX_PROMPT_CHARS = 1 << 20  # measured: one more, and it begins a conversation and ends without a turn

BASE = ("--json", "--skip-git-repo-check")
#: A rule that allows a command lets it run outside of the sandbox.
_NO_RULES = ("--ignore-rules",)
#: Flags that `resume` does not have.
_BEFORE = ("--sandbox=", "--add-dir=")
_LOOKING = ("--sandbox=read-only",)
_WRITING = ("--sandbox=workspace-write",)
LEVELS: dict[Posture, tuple[str, ...]] = {
    Posture.READ_ONLY: _LOOKING,
    Posture.PLAN: _LOOKING,
    Posture.PROMPTED: _LOOKING,
    Posture.ACCEPT_EDITS: (*_WRITING, "--disable=shell_tool"),
    Posture.WORKSPACE_WRITE: _WRITING,
    Posture.BYPASS: ("--dangerously-bypass-approvals-and-sandbox",),
}

_SCRATCH = f"{RUN_FILES}/scratch"
SETTINGS: Mapping[str, object] = {
    # Without it an unreachable service is tried for ever.
    "features.unbounded_connection_retries": False,
    "features.plugins": False,
    "features.apps": False,
    # What its sub-agents use is in no total.
    "agents.enabled": False,
    "analytics.enabled": False,
    "check_for_update_on_startup": False,
    # Else its shells see CODEX_API_KEY and whatever else is called a key, a token or a secret.
    "shell_environment_policy.ignore_default_excludes": False,
}
#: By itself the sandbox leaves /tmp and $TMPDIR open: the run gets a folder of its own instead.
_SANDBOX: Mapping[str, object] = {
    "sandbox_workspace_write.network_access": False,
    "sandbox_workspace_write.exclude_slash_tmp": True,
    "sandbox_workspace_write.exclude_tmpdir_env_var": True,
    "sandbox_workspace_write.writable_roots": [_SCRATCH],
    "shell_environment_policy.set.TMPDIR": _SCRATCH,
}
ENV = {"RUST_LOG": "error,codex_mcp::rmcp_client=warn"}  # which MCP servers did not start is told nowhere else

#: Services that the operator's settings name, each with its port if one is said.
_ADDRESS = re.compile(r"""base_url\s*=\s*["'](https?://[^/"'\s]+)""")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")
_BLIND = (
    "Codex reads files with its shell, which accept_edits does not permit: this run sees only what the prompt and its MCP "
    "servers give it. workspace_write gives it a shell in a sandbox."
)


def build(
    request: Request, posture: Posture, resume: Resume, settings: CodexSettings, environ: Mapping[str, str]
) -> Invocation:
    """Say what is to be executed. Raises InvalidRequest for what Codex would misread or quietly ignore."""
    options = request.options if isinstance(request.options, CodexOptions) else CodexOptions()
    files: dict[str, bytes] = {}
    level = [*LEVELS[posture], *_add_dirs(request)]
    said = dict(SETTINGS)
    if posture in (Posture.ACCEPT_EDITS, Posture.WORKSPACE_WRITE):
        said |= _SANDBOX
        files["scratch/.keep"] = b""
    said |= _wishes(request, options)
    said |= servers.settings(request.mcp_servers, files, approved=posture >= Posture.PROMPTED)

    before = [flag for flag in level if flag.startswith(_BEFORE)]
    argv = [EXECUTABLE, "exec", *before, *(() if resume.fresh else ("resume",)), *BASE]
    argv += [flag for flag in level if flag not in before]
    argv += [] if settings.user_config else ["--ignore-user-config"]
    argv += [] if posture is Posture.BYPASS else _NO_RULES
    for override in (*settings.config, *(f"{key}={toml(value)}" for key, value in said.items())):
        argv += ["-c", override]
    if request.model is not None:
        _check(_MODEL.fullmatch(request.model), f"not a model's name: {request.model[:80]!r}")
        argv.append(f"--model={request.model}")
    if request.output_schema is not None:
        files["schema.json"] = json.dumps(request.output_schema).encode()
        argv.append(f"--output-schema={RUN_FILES}/schema.json")
    argv += ["-"] if resume.fresh else [str(resume.native_id), "-"]
    return Invocation(
        argv=tuple(argv),
        stdin=_stdin(request.prompt.text),
        env=ENV,
        files=files,
        # Codex counts by conversation; what this turn used stands in its record.
        artifacts=() if resume.fresh else record_paths(str(resume.native_id), home(environ)),
        warnings=(Notice(code="no_shell", message=_BLIND),) if posture is Posture.ACCEPT_EDITS else (),
        hosts=tuple(_ADDRESS.findall("\n".join(settings.config))),
    )


def toml(value: object) -> str:
    """A value as TOML on one line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(toml, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{toml(str(key))}={toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def _wishes(request: Request, options: CodexOptions) -> dict[str, object]:
    said: dict[str, object] = {}
    if request.effort is not None:
        _check(request.effort in EFFORTS, f"effort must be one of {', '.join(EFFORTS)}")  # Codex sends anything
        said["model_reasoning_effort"] = request.effort
    if options.search is not None:
        said["web_search"] = "live" if options.search else "disabled"
    return said


def _add_dirs(request: Request) -> Iterator[str]:
    """They matter only to a sandbox that lets something be written."""
    for path in request.add_dirs:
        _check(os.path.isabs(path) and "\0" not in path, "addDirs must be absolute paths")
        yield f"--add-dir={path}"


def _stdin(text: str) -> bytes:
    if len(text) > MAX_PROMPT_CHARS:
        raise error_for(
            "input_too_large",
            f"Codex takes prompts of at most {MAX_PROMPT_CHARS:,} characters; this one has {len(text):,}",
        )
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise error_for(
            "invalid_request", "the prompt holds half a character: it cannot be written as UTF-8"
        ) from error


def _check(right: object, message: str) -> None:
    if not right:
        raise error_for("invalid_request", message)
