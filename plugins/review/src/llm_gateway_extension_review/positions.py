"""Read the position of an answer. Its last POSITION line decides; if that line is unreadable, the answer has no position."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from llm_gateway_extension_review.scanning import Line, scan

NONE = "the answer has no line that begins with POSITION:"
_LONGEST = 500
_MOST_READ = 1_000  #: characters of a line that are read
_LABEL = re.compile(
    r"(?:(?:the|my|our|final|overall|revised|updated|new|corrected)\s+){0,5}position\b"
    r"(?P<rest>[*_`~\s\"')\]]{0,20}(?:(?P<mark>[:=–—|-]|is\b|remains\b)(?P<value>.*))?)",
    re.I | re.S,
)
_START = re.compile(r"^[\W_]+")
_NUMBER = re.compile(r"^\d{1,9}[.)]\s+")
_EDGES = " \t*_`~\"'“”‘’|#>"


def read_position(text: str, mark: str, choices: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the position and None, or None and the problem.

    A quoted line is not a position. If the last POSITION line is a quotation with another position, the answer is contradictory.
    """
    lines = [part for part in scan(text, mark) if isinstance(part, Line)]
    own, problem = None, NONE
    for number, line in enumerate(lines):
        found = _LABEL.fullmatch(_unmarked(line.text))
        if found is None:
            continue
        value = (found["value"] or "").strip(_EDGES)
        if not value and not found["rest"].strip(_EDGES + ":=–—-"):
            value = _next(lines[number + 1 :])
        position, reason = _settled(value, choices)
        if not line.quoted:
            own, problem = position, reason
        elif own is not None and position != own:
            own, problem = None, f"a quoted line says another position: {value[:_LONGEST]}"
    return (own, None) if own is not None else (None, problem)


def _settled(value: str, choices: Sequence[str]) -> tuple[str | None, str]:
    if not re.search(r"\w", value):
        return None, NONE
    if not choices:
        return value[:_LONGEST], ""
    if (chosen := _chosen(value, choices)) is not None:
        return chosen, ""
    return None, f"its position is none of the choices: {value[:_LONGEST]}"


def _chosen(value: str, choices: Iterable[str]) -> str | None:
    """Return the choice in a value: alone, or first, followed by a reason that names no other choice."""
    said = _folded(value)
    alone = [choice for choice in choices if _folded(choice) == said]
    if alone:
        return alone[0]
    named = [choice for choice in choices if re.search(rf"(?<!\w){re.escape(_folded(choice))}(?!\w)", said)]
    longest = max(named, key=len, default=None)
    if longest is None or any(_folded(choice) not in _folded(longest) for choice in named):
        return None
    rest = said[len(_folded(longest)) :] if said.startswith(_folded(longest)) else None
    if rest is None or not re.match(r"\s*(?:[.,;:(!–—]|-\s|because\b|since\b)", rest):
        return None
    doubts = re.search(r"\b(?:not|or|but|if|unless|maybe|perhaps)\b|\?", rest)
    return None if doubts else longest


def _next(lines: Iterable[Line]) -> str:
    """Return the next line that is neither quoted nor empty, for a label that is a heading."""
    for line in lines:
        if line.text.strip():
            return "" if line.quoted else _plain(line.text[:_MOST_READ]).strip(_EDGES + "-")
    return ""


def _unmarked(line: str) -> str:
    """Return a line without Markdown, list bullets and numbers at its beginning."""
    text = _START.sub("", _plain(line[:_MOST_READ]))
    return _START.sub("", _NUMBER.sub("", text))


def _plain(line: str) -> str:
    text = unicodedata.normalize("NFKC", line)
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return re.sub(r"\s+", " ", text)


def _folded(words: str) -> str:
    plain = re.sub(r"[*_`\"“”‘’]+", " ", _plain(words)).casefold()
    return re.sub(r"\s+", " ", plain).strip(" .!;,'")
