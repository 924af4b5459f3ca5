"""Rules that name a failure, as data, and the one place that applies them. Pure.

Where words come from decides what they mean. The output's own last error counts. Standard error counts only when the output
has no end of its own and the program ended by itself with a failure exit: otherwise it holds what MCP servers, tools and
retries left there. A run that a signal ended was interrupted, whatever was written to standard error.

It stands in the kernel, because every failure passes here, that of a provider without rules too; the provider kit hands the
same functions to providers.
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

_MOST_CHARS = 16_000  #: of a message that are searched: its beginning and its end
_SHOWN_CHARS = 2_000  #: of a provider's message in an answer

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
#: Names that some services send in place of the number.
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

#: Lines of standard error that are not the program's own last words: logs below an error, and whatever concerns MCP servers.
_ASIDE = re.compile(
    r"\bmcps?\b|rmcp|modelcontextprotocol|\b(?:WARN(?:ING)?|INFO|DEBUG|TRACE)\b|^\s*\(node:", re.IGNORECASE
)
_LOUD = re.compile(r"\b(?:info|warning|trace|debug)\b")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFacts:
    """What is known of a run that failed."""

    message: str = ""  #: the output's own last error
    stderr: str = ""  #: the program's own words on standard error, where they count; else ""
    noise: str = ""  #: everything on standard error, where it counts; for a rule that looks for an aside
    status: int | None = None  #: the HTTP status of the service's answer, as told or as the words name it
    kinds: frozenset[str] = frozenset()  #: error types and codes, without case, spaces, dots, hyphens and underscores
    reset_at: datetime | None = None  #: aware, UTC
    exit_code: int | None = None
    failed: bool = False  #: the output itself says that the turn failed
    ended: bool = False  #: the output has an end of its own, a result or a last error
    killed_by: int | None = None  #: the signal
    started: bool = False  #: a conversation was begun or continued in this run
    told: Mapping[str, Any] = field(default_factory=dict)  #: all that the provider's reader noted

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the run, and the output tells no failure of its own."""
        return self.killed_by is not None and not (self.ended and self.failed)

    @property
    def words(self) -> str:
        """The words that count."""
        return self.message or self.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One way to know a failure: all that is set here must hold."""

    words: str | None = None  #: a pattern (regular expression, any case) in the words that count
    noise: str | None = None  #: a pattern in everything on standard error, where that counts
    status: Collection[int | None] = ()  #: one of these HTTP statuses; None among them: no status is known
    kinds: Collection[str] = ()  #: one of these error types or codes; case, "_" and "-" do not matter
    exits: Collection[int] = ()  #: one of these exit codes
    waits: bool | None = None  #: whether the words say when a limit is reset
    when: Callable[[FailureFacts], Any] | None = None  #: anything else, of the facts

    def holds(self, facts: FailureFacts) -> bool:
        """Whether this sign is there."""
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
    """A failure that is known: the first rule of a list with a sign that holds names it."""

    code: str  #: of the closed set
    message: str
    recovery: str | None = None  #: what to do; None: what the code says
    retryable: bool | None = None  #: whether the same request may pass later; None: what the code says
    signs: tuple[Sign, ...]  #: any of them
    before_start: bool = False  #: True: only where no conversation was begun or continued in this run


def failure_facts(run: FinishedRun, message: str = "") -> FailureFacts:
    """Sort what a run told by where it was told.

    :param message: the output's own last error, where the reader noted none under `message`.
    """
    told, end = run.summary.failure, run.end
    message = _ESCAPES.sub("", str(told.get("message") or message)).strip()
    ended = bool(told.get("ended", run.summary.failed and message))
    alone = not ended and end.reason is EndReason.EXITED and not end.killed_by and end.exit_code not in (None, 0)
    noise = _ESCAPES.sub("", run.stderr_tail) if alone else ""
    stderr = own_words(noise)
    status, reset_at = told.get("status"), told.get("reset_at")
    if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status < 600:
        status = http_status(message) if message else http_status(stderr, last=True)
    if not isinstance(reset_at, datetime) or reset_at.tzinfo is None:
        reset_at = reset_time(message or stderr, end.ended_at.astimezone(timezone.utc), system_zone())
    return FailureFacts(
        message=message,
        stderr=stderr,
        noise=noise,
        status=status,
        kinds=_kinds(told.get("kinds")),
        reset_at=reset_at,
        exit_code=end.exit_code,
        failed=run.summary.failed,
        ended=ended,
        killed_by=end.killed_by,
        started=bool(told.get("started", run.summary.native_id)),
        told=told,
    )


def matching_rule(facts: FailureFacts, rules: Iterable[FailureRule]) -> FailureRule | None:
    """The first rule that holds."""
    for rule in rules:
        if not (rule.before_start and facts.started) and any(sign.holds(facts) for sign in rule.signs):
            return rule
    return None


def named_failure(facts: FailureFacts, rules: Sequence[FailureRule], program: str = "The program") -> Failure:
    """The failure of this run by the first of these rules that holds; without one, by what is known all the same.

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
    """The same failure with what the code and the facts say and it leaves out: a way on, when to retry, whether to."""
    error = ERRORS[failure.code]
    retryable = failure.retryable
    heals = failure.code in _WAITING and retryable is not False
    reset_at = failure.reset_at or (facts.reset_at if heals else None)
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


#: Codes of failures that waiting can heal.
_WAITING = frozenset({"quota_exhausted", "overloaded", "unreachable", "provider_failed"})
#: HTTP statuses of trouble that passes.
_PASSING = frozenset({408, 425, 429, *range(500, 600)})


def http_status(words: str, *, last: bool = False) -> int | None:
    """The HTTP status (400 to 599) that words name: `status: 401`, `HTTP 401`, `401 Unauthorized`, `"code":401`, `(429)`, …

    :param last: the last one that is named, as in a log; otherwise the first.
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
    """What standard error says last, short enough to show: the last error and what follows it, or else three lines."""
    lines = [line.strip() for line in stderr.strip().splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if line.lower().startswith(("error", "fatal"))]
    return "\n".join(lines[errors[-1] :])[:500] if errors else " / ".join(lines[-3:])[:500]


def own_words(stderr: str) -> str:
    """What a program says of itself on standard error: without logs below an error and what concerns MCP servers."""
    kept = [line for line in stderr.splitlines() if not _ASIDE.search(line) or _plain_sentence(line)]
    return "\n".join(kept).strip()


def _plain_sentence(line: str) -> bool:
    """A line that only uses such a word in a sentence."""
    return line.lower().startswith("error") and not re.search(r"\bmcps?\b|rmcp", line, re.IGNORECASE)


def plain_kind(kind: str) -> str:
    """An error type or code as it is compared: `rateLimitExceeded`, `rate_limit_exceeded` and `RATE-LIMIT-EXCEEDED` are one."""
    return re.sub(r"[\W_]", "", kind[:200]).lower()


def bounded(words: str) -> str:
    """At most so much of it as is searched, with plain apostrophes."""
    words = words.replace("\u2019", "'")
    if len(words) <= _MOST_CHARS:
        return words
    return f"{words[: _MOST_CHARS // 2]}\n{words[-_MOST_CHARS // 2 :]}"


def _kinds(told: Any) -> frozenset[str]:
    listed = told if isinstance(told, (list, tuple, set, frozenset)) else (told,)
    return frozenset(plain_kind(kind) for kind in listed if isinstance(kind, str) and kind)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
