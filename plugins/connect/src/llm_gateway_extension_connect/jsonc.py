"""Putting one entry into a map of a JSON file, and taking it out, without touching anything else: spaces, order, comments."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

# A string that is never closed is one all the same: else each of its quotes would be tried, which takes minutes.
_COMMENTS = re.compile(r'("(?:\\.|[^"\\\n])*"?)|//[^\n]*|/\*.*?\*/', re.S)
_LAST_COMMAS = re.compile(r'("(?:\\.|[^"\\\n])*"?)|,(?=\s*[}\]])')
_SPACES = re.compile(r"\s*")
_DECODER = json.JSONDecoder(strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of an object, with its position in the text."""

    name: str
    begin: int  #: of its name
    value: int  #: where its value begins
    end: int  #: behind its value


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An object, with its position in the text."""

    begin: int  #: its opening brace
    close: int  #: its closing brace
    members: tuple[Member, ...]

    def last(self, name: str) -> Member | None:
        """The member that counts: the last one of this name."""
        return next((one for one in reversed(self.members) if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonMap:
    """One object of the file holds named entries. Everything raises ValueError for a text that it cannot read."""

    key: str  #: of the object, at the top of the file
    name: str  #: of our entry in it

    def find(self, text: str) -> dict[str, Any] | None:
        """Our entry."""
        entries = _read(text).get(self.key)
        entry = entries.get(self.name) if isinstance(entries, dict) else None
        return entry if isinstance(entry, dict) else None

    def add(self, text: str, entry: dict[str, Any]) -> str:
        """Put our entry in; it must not be there."""
        if not text.strip("\ufeff \t\r\n"):
            return json.dumps({self.key: {self.name: entry}}, indent=2, ensure_ascii=False) + "\n"
        before = _read(text)
        root = _object(text, _start(text))
        there = root.last(self.key)
        if there is None:
            after = _insert(text, root, self.key, {self.name: entry})
        elif text[there.value] == "{":
            after = _insert(text, _object(text, there.value), self.name, entry)
        else:
            raise ValueError(f"{self.key} is no object")
        expected = {**before, self.key: {**before.get(self.key, {}), self.name: entry}}
        if _read(after) != expected:
            raise ValueError("this file is written in a way that cannot be added to safely")
        return after

    def remove(self, text: str) -> str:
        """Take our entry out; it must be there."""
        before = _read(text)
        there = _object(text, _start(text)).last(self.key)
        assert there
        after = _cut(text, _object(text, there.value), self.name)
        entries = {name: value for name, value in before[self.key].items() if name != self.name}
        if _read(after) != {**before, self.key: entries}:
            raise ValueError("this file is written in a way that cannot be removed from safely")
        return after


def _read(text: str) -> dict[str, Any]:
    """What the text says. Raises ValueError."""
    if not text.strip("\ufeff \t\r\n"):
        return {}
    try:
        found, end = _DECODER.raw_decode(_bare(text), _start(text))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("there is no object at its top")
    if _bare(text)[end:].strip():
        raise ValueError(f"line {text.count(chr(10), 0, end) + 1}: nothing more is expected here")
    return found


def _start(text: str) -> int:
    return _past(_bare(text), 0)


def _blank(found: re.Match[str]) -> str:
    return found[1] or re.sub(r"[^\r\n]", " ", found[0])


def _commented(text: str) -> str:
    """The same text with spaces for comments, so that every position holds."""
    return _COMMENTS.sub(_blank, text.replace("\ufeff", " ", 1) if text.startswith("\ufeff") else text)


def _bare(text: str) -> str:
    """The same without commas behind last members: JSON as the standard has it."""
    return _LAST_COMMAS.sub(_blank, _commented(text))


def _past(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    assert found
    return found.end()


def _object(text: str, begin: int) -> Span:
    """The members of the object that begins here. The text was read already: it is right."""
    bare = _bare(text)
    at, members = _past(bare, begin + 1), []
    while bare[at] != "}":
        name, behind = _DECODER.raw_decode(bare, at)
        value = _past(bare, _past(bare, behind) + 1)
        _, end = _DECODER.raw_decode(bare, value)
        members.append(Member(name=name, begin=at, value=value, end=end))
        at = _past(bare, end)
        at = _past(bare, at + 1) if bare[at] == "," else at
    return Span(begin=begin, close=at, members=tuple(members))


def _insert(text: str, where: Span, name: str, value: Any) -> str:
    """Put a member behind the last one, as the others are written."""
    newline = "\r\n" if "\r\n" in text else "\n"
    outer = _indent(text, where.begin)
    root = _object(text, _start(text))
    step = _indent(text, root.members[0].begin) if root.members else ""
    step = step if step and step.isspace() else "  "
    begin = where.begin + len(text[where.begin : where.close].rstrip())  # behind the last word or comment
    if not where.members:
        inner, comma = outer + step, ""
        closing = "" if newline in text[begin : where.close] else newline + outer
        lines = True
    else:
        last = where.members[-1]
        lines = newline in text[where.begin : last.begin]
        inner, closing = _indent(text, last.begin), ""
        comma = "" if _commented(text)[_past(_commented(text), last.end)] == "," else ","
    if lines:
        body = json.dumps(value, indent=step, ensure_ascii=False).replace("\n", newline + inner)
        member = f"{newline}{inner}{json.dumps(name)}: {body}"
    else:
        member = f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
    if not where.members:
        return text[:begin] + member + closing + text[begin:]
    member += "" if comma else ","
    end = where.members[-1].end
    return text[:end] + comma + text[end:begin] + member + text[begin:]


def _cut(text: str, where: Span, name: str) -> str:
    """Take a member out, with its comma and the space before it."""
    at = next(number for number, one in enumerate(where.members) if one.name == name)
    member = where.members[at]
    begin = len(text[: member.begin].rstrip())
    commented = _commented(text)
    behind = _past(commented, member.end)
    if commented[behind] == ",":
        after = text[:begin] + text[member.end : behind] + text[behind + 1 :]
    elif at:
        comma = _past(commented, where.members[at - 1].end)
        after = text[:comma] + text[comma + 1 : begin] + text[member.end :]
    else:
        rest = text[member.end : where.close]
        after = text[:begin] + (rest if rest.strip() or text[begin - 1] != "{" else "") + text[where.close :]
    return after


def _indent(text: str, at: int) -> str:
    """The indentation of this line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
