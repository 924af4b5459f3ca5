"""Rules that name a failure, as data, and the functions that apply them. Pure.

The meaning of a text depends on its source. The last error in the output counts. Standard error counts only if the output has no
end of its own and the program exited by itself with a failure code: otherwise it contains messages of MCP servers, tools and
retries. A run that a signal ended was interrupted, whatever was written to standard error.

This module is part of the kernel, because it handles every failure, also of a provider without rules. The provider kit exports
the same functions to providers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from typing import Any

from llm_gateway.errors import ERRORS
from llm_gateway.failures.reset_time import reset_time, system_zone
from llm_gateway.model.invocation import EndReason
from llm_gateway.model.reply import Failure, FinishedRun

_MOST_CHARS = 16_000  #: how much of a message is searched: its beginning and its end
_SHOWN_CHARS = 2_000  #: how much of a provider's message an answer contains

_STATUS_WORD = re.compile(
    r"(?i:(?<!exit )(?<!exit_)(?:\bhttp(?:/\d(?:\.\d)?)?|\bapi error|\berror|status(?:[ _]?code)?|\bcode|rejected|\bhttp[ _]?status))"
    r"""[\\"'\s:=(\[]{1,8}(?:code[\s:=]{1,3})?([45]\d\d)(?!\d|\.\d)"""
)
_REASONS = (
    "unauthorized|forbidden|too many requests|bad request|payment required|not found|method not allowed|request time-?out|conflict"
    "|gone|payload too large|content too large|request entity too large|unprocessable (?:entity|content)|locked|too early"
    "|proxy authentication required|unavailable for legal reasons|internal server error|internal error|bad gateway"
    "|service (?:temporarily )?unavailable|gateway time-?out|overloaded|site is overloaded"
)
_STATUS_REASON = re.compile(rf"(?<![\d.:])([45]\d\d)[\s:·-]{{1,3}}(?:{_REASONS})\b", re.IGNORECASE)
_STATUS_BODY = re.compile(r"(?:^|[\s(\[])([45]\d\d)[)\]:]?\s{0,2}\{")
#: Names that some services send instead of the number.
_STATUS_NAMES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_STATUS_NAME = re.compile(rf"\b({'|'.join(_STATUS_NAMES)})\b")

#: Lines of standard error that are not the program's own error: logs of a lower level, and messages about MCP servers.
_ASIDE = re.compile(
    r"\bmcps?\b|rmcp|modelcontextprotocol|\b(?:WARN(?:ING)?|INFO|DEBUG|TRACE)\b|^\s*\(node:", re.IGNORECASE
)
_LOUD = re.compile(r"\b(?:info|warning|trace|debug)\b")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFacts:
    """The facts about a run that failed."""

    message: str = ""  #: the last error in the output
    stderr: str = ""  #: the program's own messages on standard error, if they count; else ""
    noise: str = ""  #: all of standard error, if it counts; for rules that search other lines too
    status: int | None = None  #: the HTTP status of the service's answer, from the reader or from the text
    kinds: frozenset[str] = frozenset()  #: error types and codes, without case, spaces, dots, hyphens and underscores
    reset_at: datetime | None = None  #: aware, UTC
    exit_code: int | None = None
    failed: bool = False  #: the output itself says that the turn failed
    ended: bool = False  #: the output has an end of its own: a result or a last error
    killed_by: int | None = None  #: the signal
    started: bool = False  #: a conversation was begun or continued in this run
    told: Mapping[str, Any] = field(default_factory=dict)  #: the notes of the provider's reader

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the run, and the output reports no failure of its own."""
        return self.killed_by is not None and not (self.ended and self.failed)

    @property
    def words(self) -> str:
        """The text that counts."""
        return self.message or self.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One way to recognize a failure: all conditions that are set must hold."""

    words: str | None = None  #: a pattern (regular expression, any case) in the text that counts
    noise: str | None = None  #: a pattern in all of standard error, if that counts
    status: Collection[int | None] = ()  #: one of these HTTP statuses; None among them: no status is known
    kinds: Collection[str] = ()  #: one of these error types or codes; case, "_" and "-" do not matter
    exits: Collection[int] = ()  #: one of these exit codes
    waits: bool | None = None  #: whether the text says when a limit is reset
    when: Callable[[FailureFacts], Any] | None = None  #: any other condition on the facts

    def holds(self, facts: FailureFacts) -> bool:
        """Return whether all conditions hold."""
        return (
            (not self.status or facts.status in self.status)
            and (not self.kinds or not facts.kinds.isdisjoint(map(plain_kind, self.kinds)))
            and (not self.exits or facts.exit_code in self.exits)
            and (self.waits is None or self.waits == (facts.reset_at is not None))
            and (self.words is None or bool(_compiled(self.words).search(bounded(facts.words))))
            and (self.noise is None or bool(_compiled(self.noise).search(bounded(facts.noise))))
            and (self.when is None or bool(self.when(facts)))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRule:
    """A known failure. The first rule of a list with a sign that holds names the failure."""

    code: str  #: one of the closed set of codes
    message: str
    recovery: str | None = None  #: what to do; None: the default of the code
    retryable: bool | None = None  #: whether the same request may succeed later; None: the default of the code
    signs: tuple[Sign, ...]  #: one of them must hold
    before_start: bool = False  #: True: only if no conversation was begun or continued in this run


def failure_facts(run: FinishedRun, message: str = "") -> FailureFacts:
    """Collect the facts of a failed run by their sources.

    :param message: the last error in the output, if the reader noted none under `message`.
    """
    noted, end = run.summary.failure, run.end
    message = _ESCAPES.sub("", str(noted.get("message") or message)).strip()
    ended = bool(noted.get("ended", run.summary.failed and message))
    alone = not ended and end.reason is EndReason.EXITED and not end.killed_by and end.exit_code not in (None, 0)
    noise = _ESCAPES.sub("", run.stderr_tail) if alone else ""
    stderr = own_words(noise)
    status, reset_at = noted.get("status"), noted.get("reset_at")
    if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status < 600:
        status = http_status(message) if message else http_status(stderr, last=True)
    if not isinstance(reset_at, datetime) or reset_at.tzinfo is None:
        reset_at = reset_time(message or stderr, end.ended_at.astimezone(timezone.utc), system_zone())
    return FailureFacts(
        message=message,
        stderr=stderr,
        noise=noise,
        status=status,
        kinds=_kinds(noted.get("kinds")),
        reset_at=reset_at,
        exit_code=end.exit_code,
        failed=run.summary.failed,
        ended=ended,
        killed_by=end.killed_by,
        started=bool(noted.get("started", run.summary.native_id)),
        told=noted,
    )


def matching_rule(facts: FailureFacts, rules: Iterable[FailureRule]) -> FailureRule | None:
    """Return the first rule that holds."""
    for rule in rules:
        if not (rule.before_start and facts.started) and any(sign.holds(facts) for sign in rule.signs):
            return rule
    return None


def named_failure(facts: FailureFacts, rules: Sequence[FailureRule], program: str = "The program") -> Failure:
    """Return the failure of this run by the first of these rules that holds; if none does, by the exit code and the output's end.

    :param program: the CLI's name, at the beginning of a sentence.
    """
    if facts.interrupted:
        why = " (SIGKILL, which the system sends when memory runs out)" if facts.killed_by == 9 else ""
        message = (
            f"{program} was ended by signal {facts.killed_by}{why} before it had answered; what it wrote was kept."
        )
        return completed_failure(Failure(code="interrupted", message=message), facts)
    rule = matching_rule(facts, rules)
    if rule is not None:
        failure = Failure(code=rule.code, message=rule.message, recovery=rule.recovery, retryable=rule.retryable)
    elif not facts.ended and facts.exit_code == 0:
        failure = Failure(code="output_unreadable", message=f"{program} ended without a result.")
    elif facts.ended or facts.exit_code is None:
        failure = Failure(code="provider_failed", message=f"{program} failed.")
    else:
        failure = Failure(code="provider_failed", message=f"{program} ended with exit code {facts.exit_code}.")
    return completed_failure(failure, facts)


def completed_failure(failure: Failure, facts: FailureFacts) -> Failure:
    """Return the failure with missing fields filled from the code and the facts: recovery, reset time, and whether to retry."""
    error = ERRORS[failure.code]
    retryable = failure.retryable
    waiting_helps = failure.code in _WAITING and retryable is not False
    reset_at = failure.reset_at or (facts.reset_at if waiting_helps else None)
    passing = retryable is None and failure.code == "provider_failed" and facts.status in _PASSING
    if reset_at is not None or passing:
        retryable = True
    recovery = failure.recovery or error.default_recovery
    if failure.code == "provider_failed" and not failure.recovery and retryable:
        recovery = "Send the request again later; if it fails again, read the provider's own message."
    words = failure.provider_message or facts.message or last_words(facts.stderr or facts.noise)
    return Failure(
        code=failure.code,
        message=failure.message,
        recovery=recovery,
        provider_message=words.strip()[-_SHOWN_CHARS:] or None,
        reset_at=reset_at,
        retryable=retryable,
    )


#: Codes of failures that may pass with time.
_WAITING = frozenset({"quota_exhausted", "overloaded", "unreachable", "provider_failed"})
#: HTTP statuses of temporary failures.
_PASSING = frozenset({408, 425, 429, *range(500, 600)})


def http_status(words: str, *, last: bool = False) -> int | None:
    """Return the HTTP status (400 to 599) that a text names: `status: 401`, `HTTP 401`, `401 Unauthorized`, `"code":401`, `(429)`, …

    :param last: return the last status in the text, as in a log; otherwise the first.
    """
    words = bounded(words)
    found = [match for pattern in _STATUS_PATTERNS for match in pattern.finditer(words)]
    if found:
        chosen = (max if last else min)(found, key=lambda match: match.start())
        return int(chosen[1])
    name = _STATUS_NAME.search(words)
    return _STATUS_NAMES[name[1]] if name else None


_STATUS_PATTERNS = (_STATUS_WORD, _STATUS_REASON, _STATUS_BODY)


def last_words(stderr: str) -> str:
    """Return the end of standard error, short enough to show: the last error and the lines after it, or else three lines."""
    lines = [line.strip() for line in stderr.strip().splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if line.lower().startswith(("error", "fatal"))]
    return "\n".join(lines[errors[-1] :])[:500] if errors else " / ".join(lines[-3:])[:500]


def own_words(stderr: str) -> str:
    """Return a program's own messages on standard error: without logs of a lower level and messages about MCP servers."""
    kept = [line for line in stderr.splitlines() if not _ASIDE.search(line) or _plain_sentence(line)]
    return "\n".join(kept).strip()


def _plain_sentence(line: str) -> bool:
    """Return whether a line only contains such a word in a sentence."""
    return line.lower().startswith("error") and not re.search(r"\bmcps?\b|rmcp", line, re.IGNORECASE)


def plain_kind(kind: str) -> str:
    """Return an error type or code for comparison: `rateLimitExceeded`, `rate_limit_exceeded` and `RATE-LIMIT-EXCEEDED` are equal."""
    return re.sub(r"[\W_]", "", kind[:200]).lower()


def bounded(words: str) -> str:
    """Return the part of a text that is searched, with plain apostrophes."""
    words = words.replace("\u2019", "'")
    if len(words) <= _MOST_CHARS:
        return words
    return f"{words[: _MOST_CHARS // 2]}\n{words[-_MOST_CHARS // 2 :]}"


def _kinds(noted: Any) -> frozenset[str]:
    listed = noted if isinstance(noted, (list, tuple, set, frozenset)) else (noted,)
    return frozenset(plain_kind(kind) for kind in listed if isinstance(kind, str) and kind)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
