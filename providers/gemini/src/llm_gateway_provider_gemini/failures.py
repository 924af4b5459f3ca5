"""Rules that name a failure in the closed set of codes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from llm_gateway import Failure, FinishedRun

_SECONDS = re.compile(r"retry after (\d+)s|Resets? in (?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A failure that we know: the first rule whose test holds names it."""

    code: str
    message: str
    recovery: str | None = None
    holds: Callable[[Mapping[str, Any]], Any]


def said(pattern: str) -> Callable[[Mapping[str, Any]], Any]:
    """Holds when the output's own message, or else stderr, matches."""
    found = re.compile(pattern, re.IGNORECASE).search
    return lambda facts: found(facts["words"])


def exited(*codes: int) -> Callable[[Mapping[str, Any]], bool]:
    """Holds for these exit codes."""
    return lambda facts: facts["exit_code"] in codes


def category(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    """Holds for what the reader found."""
    return lambda facts: facts.get("category") in names


def either(*tests: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Holds when one of them does."""
    return lambda facts: any(test(facts) for test in tests)


def judge(run: FinishedRun, rules: Sequence[Rule]) -> Failure | None:
    """Name the cause. None: nothing is known beyond stderr's last words."""
    message = run.summary.failure.get("message") or ""
    facts = {
        **run.summary.failure,
        "words": message or run.stderr_tail,  # beside a message, stderr is stack traces
        "exit_code": run.end.exit_code,
        "signal": run.end.signal,
    }
    rule = next((rule for rule in rules if rule.holds(facts)), None)
    if rule is None:
        return None
    words = message or run.stderr_tail.strip()[-500:] or None
    failure = Failure(code=rule.code, message=rule.message, recovery=rule.recovery, provider_message=words)
    if rule.code == "quota_exhausted" and (match := _SECONDS.search(facts["words"])):
        after, hours, minutes, seconds = (int(group or 0) for group in match.groups())
        if wait := after + 3600 * hours + 60 * minutes + seconds:
            failure = replace(failure, reset_at=run.end.ended_at + timedelta(seconds=wait))
    return failure
