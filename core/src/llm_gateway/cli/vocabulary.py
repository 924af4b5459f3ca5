"""Messages in the words of a terminal: options and subcommands in place of parameters and tools of MCP."""

from __future__ import annotations

import re

_WORDS = {
    "llm_job_list": "llm-gateway jobs list",
    "llm_job_status": "llm-gateway jobs show",
    "llm_job_result": "llm-gateway jobs result",
    "llm_job_wait": "llm-gateway jobs wait",
    "llm_job_cancel": "llm-gateway jobs cancel",
    "session_list": "llm-gateway sessions list",
    "session_get": "llm-gateway sessions show",
    "session_delete": "llm-gateway sessions delete",
    "session_set_active": "llm-gateway sessions use",
    "cli_versions": "llm-gateway doctor",
    "llm_process_health": "llm-gateway doctor",
    "createNewSession: true": "--new",
    "createNewSession": "--new",
    "forceRefresh: true": "--new",
    "forceRefresh": "--new",
    "resumeLatest": "--resume-latest",
    "workingDir": "--dir",
    "sessionId": "--session",
    "timeoutMs": "--timeout",
}
_PATTERN = re.compile(rf"(?<![\w./'\"-])(?:{'|'.join(map(re.escape, _WORDS))})(?![\w='\"-])")


def at_terminal(text: str) -> str:
    """Return a message of the gateway with the options and subcommands that a terminal user types."""
    return _PATTERN.sub(lambda found: _WORDS[found[0]], text)
