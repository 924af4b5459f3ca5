"""A call of every tool that the gateway shows, in an order in which each has what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.conformance.clients import Answer

VENDORS = ("claude", "codex", "gemini", "grok", "mistral")
#: What was answered so far, by tool.
Known = Mapping[str, Answer]
Given = Callable[[Known], dict[str, Any]]
REVIEW = {"providers": ["echo"], "text": "A text.", "timeoutMs": 20_000}


def job(known: Known) -> str:
    return str(known["echo_request_async"].data["job"]["id"])


def session(known: Known) -> str:
    return str(known["session_create"].data["session"]["gatewaySessionId"])


def review_id(known: Known) -> str:
    return str(known["review"].data["reviewId"])


#: Each wave may use what the ones before it told.
WAVES: tuple[dict[str, Given], ...] = (
    {
        "echo_request": lambda known: {"prompt": "hello"},
        "echo_request_async": lambda known: {"prompt": "later"},
        "session_create": lambda known: {"provider": "echo", "description": "one of many"},
        "review": lambda known: REVIEW,
        "review_until_approved": lambda known: {**REVIEW, "implementer": "echo", "maxRounds": 1},
        "ask_many": lambda known: {"providers": ["echo"], "prompt": "One?"},
        "consensus": lambda known: {"providers": ["echo", "echo:echo-1-mini"], "prompt": "Two?"},
        "list_models": lambda known: {},
        "cli_versions": lambda known: {},
        "cli_upgrade": lambda known: {"provider": "claude"},
        "llm_process_health": lambda known: {},
        "approval_list": lambda known: {"limit": 5},
        **{f"{vendor}_request": lambda known: {"prompt": "hello"} for vendor in VENDORS},
        **{f"{vendor}_request_async": lambda known: {"prompt": "hello"} for vendor in VENDORS},
    },
    {
        "llm_job_wait": lambda known: {"jobIds": [job(known)], "until": "all", "timeoutMs": 20_000},
        "session_get": lambda known: {"sessionId": session(known)},
        "session_set_active": lambda known: {"provider": "echo", "sessionId": session(known)},
        "session_list": lambda known: {"provider": "echo"},
        "review_wait": lambda known: {"reviewId": review_id(known), "timeoutMs": 20_000},
    },
    {
        "llm_job_status": lambda known: {"jobId": job(known)},
        "llm_job_result": lambda known: {"jobId": job(known)},
        "llm_job_cancel": lambda known: {"jobId": job(known)},
        "llm_job_list": lambda known: {"status": "completed"},
        "review_result": lambda known: {"reviewId": review_id(known), "format": "json"},
        "review_cancel": lambda known: {"reviewId": review_id(known)},
        "review_list": lambda known: {"limit": 5},
        "session_delete": lambda known: {"sessionId": session(known)},
    },
    {"session_clear_all": lambda known: {"provider": "echo"}},
)
#: Here nobody has installed these; `tests/real_clis` asks the real ones.
REFUSED = {f"{vendor}_request{after}": "not_installed" for vendor in VENDORS for after in ("", "_async")}
REFUSED["cli_upgrade"] = "invalid_request"
