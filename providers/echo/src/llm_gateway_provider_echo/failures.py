"""Map the program's kinds of failure to the gateway's error codes. Pure."""

from datetime import datetime

from llm_gateway import Failure, FinishedRun

#: kind of the error event -> code, message, recovery
FAILURES: dict[str, tuple[str, str, str | None]] = {
    "auth": ("auth_required", "Echo is not logged in.", "It needs no login: leave the scenario out."),
    "quota": ("quota_exhausted", "Echo's quota is used up.", "Wait until resetAt, or leave the scenario out."),
    "overloaded": ("overloaded", "Echo is overloaded.", "Try again in a minute."),
    "bad_model": ("bad_model", "Echo does not know this model.", "Leave model out, or take echo-1 or echo-1-mini."),
    "tool_denied": ("tool_denied", "Echo needed a tool that it may not use.", "Ask for a higher posture."),
    "session_not_found": ("session_not_found", "Echo has no such conversation.", None),
    "session_exists": (
        "session_not_resumable",
        "Echo has a conversation of this id already.",
        "Pass its id as sessionId.",
    ),
    "unreadable": ("output_unreadable", "Echo's output could not be read.", "Read its raw output."),
    "no_result": (
        "output_unreadable",
        "Echo ended without a result.",
        "Read its raw output.",
    ),
    "usage": (
        "provider_failed",
        "Echo does not understand its command line.",
        "Install the same version of echo and of this plugin.",
    ),
    "internal": ("provider_failed", "Echo failed.", "Try again."),
}


def explain(run: FinishedRun) -> Failure | None:
    """Return the cause of a failed run. None: only the exit code and stderr are known."""
    facts = run.summary.failure
    kind = facts.get("kind")
    if kind == "no_result" and run.end.exit_code != 0:
        return None  # it crashed: the last lines of stderr say more
    if kind is None and not run.summary.text.strip():
        return Failure(code="empty_output", message="Echo ended without an answer.", recovery="Try again.")
    if kind is None:
        return None
    code, message, recovery = FAILURES.get(str(kind), FAILURES["internal"])
    provider_message = facts.get("message")
    return Failure(
        code=code,
        message=message,
        recovery=recovery,
        provider_message=provider_message if isinstance(provider_message, str) else run.stderr_tail.strip() or None,
        reset_at=_time(facts.get("resetAt")),
    )


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return time if time.tzinfo else None
