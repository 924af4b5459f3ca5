"""A request as a command of Gemini CLI. Nothing is run; the disk is looked at only for names in the prompt (words.py).

Every value stands in the same element as its flag. The prompt goes by stdin, what is secret or long by file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_gateway import RUN_FILES, Invocation, Posture, Request, Resume
from llm_gateway_provider_gemini.checking import check, directory, model
from llm_gateway_provider_gemini.gemini_cli.rules import MODE_OF, policy
from llm_gateway_provider_gemini.gemini_cli.servers import server_settings
from llm_gateway_provider_gemini.gemini_cli.words import as_text

EXECUTABLE = "gemini"
OVERLAY = Path(__file__).with_name("overlay.cjs").read_bytes()

BASE = (
    "--output-format=stream-json",
    # Trust by this flag comes after the project's settings were passed over; by the environment they would be obeyed.
    "--skip-trust",
    "--extensions=none",
    f"--policy={RUN_FILES}/rules.toml",
)
ENV = {
    # By itself it is only a launcher of a second process, which ignores signals and leaves that process behind when killed.
    "GEMINI_CLI_NO_RELAUNCH": "true",
    "NODE_OPTIONS": f'--require "{RUN_FILES}/overlay.cjs"',
    # After a failure it leaves a report there, with the whole conversation.
    "TMPDIR": RUN_FILES,
    "NO_COLOR": "1",
}
#: By itself it tries ten times, which takes minutes; the caller decides better.
ATTEMPTS = 2
#: A name that no server has: without any, those of other settings would be started.
_NO_SERVER = "llm-gateway-none"


def build(request: Request, posture: Posture, resume: Resume, *, default_model: str) -> Invocation:
    """Say what is to be executed. Raises InvalidRequest for what Gemini CLI would misread or quietly ignore."""
    argv = [EXECUTABLE, *BASE, f"--approval-mode={MODE_OF[posture]}"]
    argv.append(f"--{'session-id' if resume.fresh else 'resume'}={resume.native_id}")
    if posture is Posture.BYPASS:  # where all passes, the user's own rules can only hold back
        argv.append("--policy=~/.gemini/policies")
    if request.model is not None:
        argv.append(f"--model={model(request.model)}")
    argv += _directories(request)
    servers, notices = server_settings(request.mcp_servers)
    argv += [f"--allowed-mcp-server-names={name}" for name in servers or [_NO_SERVER]]
    files = {
        "overlay.cjs": OVERLAY,
        "rules.toml": policy(request, posture),
        "settings.json": json.dumps(_settings(request, posture, default_model, servers)).encode(),
    }
    stdin = as_text(request.prompt.text, (request.working_dir, *request.add_dirs))
    return Invocation(argv=tuple(argv), stdin=stdin, env=ENV, files=files, warnings=tuple(notices))


def _directories(request: Request) -> Iterator[str]:
    for path in request.add_dirs:
        check("," not in path, "Gemini CLI cannot add a directory with a comma in its name")
        yield f"--include-directories={directory(path)}"


def _settings(request: Request, posture: Posture, default_model: str, servers: dict[str, Any]) -> dict[str, Any]:
    limits: dict[str, Any] = {"name": default_model}
    if request.max_turns is not None:
        check(request.max_turns >= 1, "maxTurns must be at least 1")
        limits["maxSessionTurns"] = request.max_turns
    return {
        "general": {
            # Else the second resume of a conversation, or two runs at a time in one directory, delete conversations.
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
        # A project's .env could name another key and account.
        "advanced": {"ignoreLocalEnv": True},
        "model": limits,
        "mcpServers": servers,
    }
