"""Split an agent's answer into its own lines, quoted lines, and fenced blocks.

A reviewer quotes parts of the material, whose author chose their text. So every reader of an answer must know which lines are
quotations: lines in a fenced block, after `>`, indented like code, or between the two lines with the run's mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: A fence may be in a list item. In a block quote every line is a quotation anyway.
_FENCE = re.compile(r"^(?P<indent>\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*)(?P<fence>`{3,}|~{3,})(?P<info>.*)$", re.S)
_CODE_INDENT = re.compile(r"^(?: {4}| {0,3}\t)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an answer."""

    text: str
    quoted: bool
    block: bool = False  #: in a fenced block


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The content of a fenced block. It comes after its lines."""

    kind: str  #: the first word after the opening fence, in lower case
    text: str
    closed: bool
    evidence: bool  #: it is between the lines with the run's mark, so it is repeated material


def scan(text: str, mark: str) -> Iterator[Line | Block]:
    """Yield the parts of an answer in order, without the lines of marks and fences.

    Only a line feed ends a line: with other separators, a part of a quoted line would count as a line of the reviewer.
    """
    fence, indent, kind, content = "", 0, "", list[str]()
    evidence = False
    for line in text.replace("\r\n", "\n").split("\n"):
        if mark and mark in line:
            evidence = _in_evidence(line, evidence)
            continue
        if fence:
            if _closes(line, fence, indent):
                yield Block(kind=kind, text="\n".join(content), closed=True, evidence=evidence)
                fence = ""
                continue
            content.append(line)
            yield Line(text=line, quoted=True, block=True)
            continue
        found = _FENCE.match(line)
        if found and not (found["fence"][0] == "`" and "`" in found["info"]):
            info = found["info"].split()
            fence, indent, content = found["fence"], len(found["indent"].expandtabs(4)), []
            kind = info[0].strip("{}.,").lower() if info else ""
            continue
        quoted = evidence or line.lstrip().startswith(">") or _CODE_INDENT.match(line) is not None
        yield Line(text=line, quoted=quoted)
    if fence:
        yield Block(kind=kind, text="\n".join(content), closed=False, evidence=evidence)


def _in_evidence(line: str, before: bool) -> bool:
    """Return whether evidence follows a line with the mark. A line that only mentions the mark changes nothing."""
    if "BEGINS" in line:
        return True
    return before and "ENDS" not in line


def _closes(line: str, fence: str, indent: int) -> bool:
    stripped = line.strip()
    depth = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
    return depth <= indent + 3 and len(stripped) >= len(fence) and set(stripped) == {fence[0]}
