"""What the model does, told by words in the prompt. The same for every protocol.

    SAY:text                answers with the rest of the line
    TOOL:Name {"a": 1}      calls a tool; several lines, several calls, one after the other; then says what the last one gave;
                            "~regex" as an argument is what it finds in what the tools before this one gave
    TURNS:["one", "two"]    answers with the text of this turn: the first where the conversation has one such turn, and so on
    HISTORY                 says what the user said before in this conversation
    BIG:bytes               answers with so many bytes, in numbered lines
    SLOW:seconds            spreads the answer over this time
    HANG                    never answers
    EMPTY                   answers without words
    REFUSE                  refuses, as a safety system does
    DROP                    breaks the connection in the middle of the answer
    FAIL:status[:times[:retry-after]]   fails (so many times for this prompt, then passes; 0 or nothing: always)

Keys: one that begins with `bad` is not accepted (401), `forbidden` (403), `broke` has no credit. Models: one that begins with
`no-such` does not exist, `busy` is overloaded. Anything else is answered with `OK: ` and the first words of the prompt.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_WORD = re.compile(r"^\s*(SAY|TOOL|TURNS|HISTORY|BIG|SLOW|HANG|EMPTY|REFUSE|DROP|FAIL)(?::(.*))?$", re.MULTILINE)
_BIG_LIMIT = 256 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What a tool gave."""

    text: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A request, whatever the protocol it came by."""

    key: str
    model: str
    words: Sequence[str]  #: what the user said, turn by turn; never empty
    results: Sequence[ToolResult] = ()  #: of the tools that were called since


@dataclass(frozen=True, kw_only=True)
class Action:
    """What the model does now."""

    text: str = ""
    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    hang: bool = False
    refuse: bool = False
    drop: bool = False
    fail: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error answer. `kind` is neutral; adapters have their own names for it."""

    status: int
    kind: str
    message: str
    retry_after: str | None = None


KINDS = {
    400: ("invalid", "messages.0: some invalid field"),
    401: ("auth", "invalid x-api-key"),
    403: ("forbidden", "this key may not do that"),
    404: ("not_found", "model: {model}"),
    413: ("too_large", "the request is too large"),
    429: ("rate", "This request would exceed your account's rate limit. Please try again later."),
    500: ("server", "Internal server error"),
    503: ("server", "Service unavailable"),
    529: ("overloaded", "Overloaded"),
}

_ODD = {
    "HANG": Action(hang=True),
    "REFUSE": Action(refuse=True),
    "DROP": Action(drop=True, text="half an ans"),
}


class Model:
    """Decides; remembers only how often a prompt has failed."""

    def __init__(self) -> None:
        self._failed: Counter[str] = Counter()

    def act(self, talk: Conversation) -> Action:
        """Decide what to do."""
        if talk.key.startswith("bad"):
            return _fail(401)
        if talk.key.startswith("forbidden"):
            return _fail(403)
        if talk.key.startswith("broke"):
            words = "Your credit balance is too low to access the API. Please go to Plans & Billing."
            return Action(fail=Failure(status=400, kind="billing", message=words))
        if talk.model.startswith("no-such"):
            return _fail(404, model=talk.model)
        if talk.model.startswith("busy"):
            return _fail(529)
        return self._obey(talk)

    def _obey(self, talk: Conversation) -> Action:
        prompt = talk.words[-1]
        found = [(match[1], (match[2] or "").strip()) for match in _WORD.finditer(prompt)]
        told = dict(reversed(found))
        if "FAIL" in told and (failed := self._failure(prompt, told["FAIL"], talk.model)):
            return failed
        if "TURNS" in told:
            number = sum(any(match[1] == "TURNS" for match in _WORD.finditer(words)) for words in talk.words)
            said = json.loads(told["TURNS"])
            return Action(text=said[min(number, len(said)) - 1], seconds=_seconds(told))
        odd = next((action for word, action in _ODD.items() if word in told), None)
        if odd:
            return odd
        tools = [value for word, value in found if word == "TOOL"]
        if len(talk.results) < len(tools):
            name, _, given = tools[len(talk.results)].partition(" ")
            return Action(tool=name, arguments=_filled(json.loads(given or "{}"), talk.results), text="calling")
        return Action(text=_answer(talk, told), seconds=_seconds(told))

    def _failure(self, prompt: str, told: str, model: str) -> Action | None:
        status, _, rest = told.partition(":")
        times, _, retry_after = rest.partition(":")
        self._failed[prompt] += 1
        if times not in ("", "0") and self._failed[prompt] > int(times):
            return None
        return _fail(int(status), model=model, retry_after=retry_after or None)


def _filled(given: Any, results: Sequence[ToolResult]) -> Any:
    """The same arguments, with what was found instead of what is to be looked for."""
    if isinstance(given, dict):
        return {name: _filled(value, results) for name, value in given.items()}
    if isinstance(given, list):
        return [_filled(value, results) for value in given]
    if isinstance(given, str) and given.startswith("~"):
        found = (re.search(given[1:], result.text) for result in results)
        return next((match[0] for match in found if match), given)
    return given


def _seconds(told: dict[str, str]) -> float:
    return min(float(told.get("SLOW") or 0), 600.0)


def _answer(talk: Conversation, told: dict[str, str]) -> str:
    if "EMPTY" in told:
        return ""
    if talk.results:
        last = talk.results[-1]
        return f"TOOLRESULT[{'error' if last.failed else 'ok'}]: {last.text[:2000]}"
    if "BIG" in told:
        return _big(min(int(told["BIG"]), _BIG_LIMIT))
    if "HISTORY" in told:
        return " | ".join(" ".join(words.split())[:200] for words in talk.words[:-1]) or "nothing"
    return told["SAY"] if "SAY" in told else "OK: " + " ".join(talk.words[-1].split())[:80]


def _big(size: int) -> str:
    line = "{:012d} " + "x" * 86 + "\n"
    return "".join(line.format(number) for number in range(size // 100 + 1))[:size]


def _fail(status: int, *, model: str = "", retry_after: str | None = None) -> Action:
    kind, message = KINDS.get(status, ("server", "failed"))
    message = message.format(model=model)
    return Action(fail=Failure(status=status, kind=kind, message=message, retry_after=retry_after))
