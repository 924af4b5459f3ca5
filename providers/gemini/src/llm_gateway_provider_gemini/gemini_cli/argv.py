"""Build the command of a request for Gemini CLI. Runs nothing; accesses the disk only for names in the prompt (words.py).

Every value is in the same argument as its flag. The prompt goes to stdin, secret and long values go into files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_gateway import RUN_FILES, Invocation, OwnConfig, Posture, Request, Resume
from llm_gateway_provider_gemini.gemini_cli.own_config import GeminiConfig
from llm_gateway_provider_gemini.gemini_cli.rules import MODE_OF, policy
from llm_gateway_provider_gemini.gemini_cli.servers import server_name, server_settings
from llm_gateway_provider_gemini.gemini_cli.words import as_text
from llm_gateway_provider_kit import arguments

EXECUTABLE = "gemini"
OVERLAY = Path(__file__).with_name("overlay.cjs").read_bytes()

BASE = (
    "--output-format=stream-json",
    # This flag trusts the directory after Gemini CLI has skipped the project's settings. A variable would make it obey them.
    "--skip-trust",
)
ENV = {
    # By default the program only launches a second process. It ignores signals, and that process survives it.
    "GEMINI_CLI_NO_RELAUNCH": "true",
    "NODE_OPTIONS": f'--require "{RUN_FILES}/overlay.cjs"',
    # After a failure, it writes a report with the whole conversation there.
    "TMPDIR": RUN_FILES,
    "NO_COLOR": "1",
}
#: The default is ten attempts, which take minutes. The caller can decide better whether to retry.
ATTEMPTS = 2
#: A name that no server has. Without a name, Gemini CLI would start the servers of other settings.
_NO_SERVER = "llm-gateway-none"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


_NO_CONFIG = OwnConfig()
#: Without a configuration, such as in a test: the login and the model of the user.
_NO_CHOICE = {"keep": ["security.auth", "model.name"], "project": {}, "servers": {}, "unseen": []}


def build(
    request: Request, posture: Posture, resume: Resume, *, default_model: str, config: OwnConfig = _NO_CONFIG
) -> Invocation:
    """Return the command. Raises InvalidRequest for values that Gemini CLI would misread or silently ignore."""
    known = config.settings if isinstance(config.settings, GeminiConfig) else GeminiConfig(choice=_NO_CHOICE)
    argv = [EXECUTABLE, *BASE, *(() if known.extensions else ("--extensions=none",))]
    argv += [f"--policy={RUN_FILES}/rules.toml", f"--approval-mode={MODE_OF[posture]}"]
    argv.append(f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}")
    if posture is Posture.BYPASS:  # everything is allowed, so the user's rules can only restrict it
        argv.append("--policy=~/.gemini/policies")
    if request.model is not None:
        argv.append(f"--model={arguments.model(request.model)}")
    argv += _directories(request)
    servers, notices = server_settings(request.mcp_servers)
    own = _own_servers(request, config)
    argv += [f"--allowed-mcp-server-names={name}" for name in [*servers, *own] or [_NO_SERVER]]
    files = {
        "overlay.cjs": OVERLAY,
        "choice.json": json.dumps({**known.choice, "servers": own}).encode(),
        "rules.toml": policy(request, posture, tuple(own)),
        "settings.json": json.dumps(_settings(request, posture, default_model, servers)).encode(),
    }
    stdin = as_text(request.prompt.text, (request.working_dir, *request.add_dirs))
    return Invocation(argv=tuple(argv), stdin=stdin, env=ENV, files=files, warnings=tuple(notices))


def _own_servers(request: Request, config: OwnConfig) -> dict[str, Any]:
    """Return the servers of the user's settings that start. One of the request replaces one of the same name."""
    names = {server.name for server in config.mcp_servers} - {server_name(server) for server in request.mcp_servers}
    known = config.settings.choice["servers"] if isinstance(config.settings, GeminiConfig) else {}
    return {name: entry for name, entry in known.items() if name in names and _NAME.fullmatch(name)}


def _directories(request: Request) -> Iterator[str]:
    for path in request.add_dirs:
        yield arguments.option("--include-directories", arguments.directory(path, without=","))


def _settings(request: Request, posture: Posture, default_model: str, servers: dict[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = {"name": default_model}
    if request.max_turns is not None:
        limits["maxSessionTurns"] = int(arguments.turns(request.max_turns))
    return {
        "general": {
            # Otherwise a second resume of a conversation, or two runs in one directory, delete conversations.
            "sessionRetention": {"enabled": False},
            "plan": {"enabled": posture is Posture.PLAN},
            "maxAttempts": ATTEMPTS,
            "enableAutoUpdate": False,
            "enableAutoUpdateNotification": False,
        },
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "ui": {"showCompatibilityWarnings": False},
        "context": {"fileFiltering": {"enableRecursiveFileSearch": False}},
        # A project's .env could set another key and account.
        "advanced": {"ignoreLocalEnv": True},
        "model": limits,
        "mcpServers": servers,
    }
