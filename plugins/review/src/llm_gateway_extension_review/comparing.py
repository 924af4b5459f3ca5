"""Compare files in a new, empty repository.

A repository can change how git compares: attributes in the working tree, in `.git/info` and in the user's files can hide a file or
run a program. So the files are copied into a repository where no attribute applies: numbered files of plain text, no working tree.
The real names are then written into the result, quoted, so that a name cannot look like a line of the result.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llm_gateway.git import open_scratch
from llm_gateway_extension_review.changes import Change, Side
from llm_gateway_extension_review.decoding import quoted, shown
from llm_gateway_extension_review.worktree import EXECUTABLE, FILE, LINK

_MOST_BYTES = 32 << 20
_MOST_QUIET = 50
_DIFF = (
    *(
        "diff",
        "--text",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--find-renames",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ),
    *("--diff-algorithm=myers", "--unified=3", "--inter-hunk-context=0", "--no-indent-heuristic"),
)
_NAMED = re.compile(r"^(diff --git|--- |\+\+\+ |rename |copy )")
_NUMBER = re.compile(r"\b([ab]/)?(\d{6})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The shown changes of one file."""

    name: bytes
    text: str
    unseen: str = ""  #: why the content is not or not completely shown
    quiet: str = ""  #: the change, if the text itself is unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    change: Change
    old: str
    new: str
    note: str = ""


def compare(changes: Sequence[Change]) -> list[Section]:
    """Return the shown changes of each of these files. Raises GitError."""
    sections, pairs = list[Section](), list[_Pair]()
    for change in changes:
        pair = _pair(change)
        if isinstance(pair, Section):
            sections.append(pair)
        else:
            pairs.append(pair)
    return sorted([*_gathered(sections), *_differences(pairs)], key=lambda section: section.name)


def _gathered(sections: Sequence[Section]) -> list[Section]:
    """Combine many files with only changed modes or line ends into one section: a file system can change these in all files."""
    kept = list[Section]()
    alike: dict[str, list[Section]] = {}
    for section in sections:
        alike.setdefault(section.quiet, []).append(section)
    for what, group in alike.items():
        if not what or len(group) <= _MOST_QUIET:
            kept += group
            continue
        names = "\n".join(f"- {quoted(section.name)}" for section in group)
        kept.append(Section(name=group[0].name, text=f"=== {len(group)} files ({what}):\n{names}\n"))
    return kept


def _pair(change: Change) -> _Pair | Section:
    old, new = _text(change.old), _text(change.new)
    if old is None or new is None:
        why = next((side.why for side in (change.new, change.old) if side and side.why), "not text")
        title = f"=== {_title(change)} (not text, or not readable: {why})\n"
        return Section(name=change.name, text=title, unseen=why)
    if change.old is None or change.new is None:
        return _Pair(change=change, old=old, new=new)
    quiet = []
    if change.old.data != change.new.data:
        ends = _line_ends(old, new)
        plain_old, plain_new = (text.replace("\r\n", "\n") if ends else text for text in (old, new))
        if plain_old != plain_new:
            return _Pair(change=change, old=plain_old, new=plain_new, note=ends)
        quiet.append(ends or "the same text in other bytes: another encoding")
    if change.old.mode != change.new.mode:
        quiet.append(f"old mode {change.old.mode}, new mode {change.new.mode}")
    what = "; ".join(quiet)
    return Section(name=change.name, text=f"=== {_title(change)} ({what})\n", quiet=what)


def _text(side: Side | None) -> str | None:
    if side is None:
        return ""
    return None if side.data is None else shown(side.data)


def _line_ends(old: str, new: str) -> str:
    """Return the change of all line ends; "" if there is none."""
    all_crlf = [text.count("\r\n") == text.count("\n") > 0 for text in (old, new)]
    none_crlf = ["\n" in text and "\r\n" not in text for text in (old, new)]
    if none_crlf[0] and all_crlf[1]:
        return "its lines end with CR LF now"
    if all_crlf[0] and none_crlf[1]:
        return "its lines no longer end with CR LF"
    return ""


def _title(change: Change) -> str:
    return f"{quoted(change.name)}, {change.label}" if change.label else quoted(change.name)


def _differences(pairs: Sequence[_Pair]) -> list[Section]:
    if not pairs:
        return []
    with open_scratch() as repository:
        repository.run(["fast-import", "--quiet", "--done"], most_bytes=10_000, data=_stream(pairs))
        data, cut = repository.run_cut([*_DIFF, "refs/heads/old", "refs/heads/new", "--"], most_bytes=_MOST_BYTES)
    sections, seen = list[Section](), set[int]()
    for text in re.split(r"^(?=diff --git )", data.decode(errors="replace"), flags=re.M):
        if text:
            numbers, section = _section(pairs, text)
            seen |= numbers
            sections.append(section)
    if cut and sections:  # the last one may be incomplete
        sections[-1] = Section(
            name=sections[-1].name, text=sections[-1].text, unseen="cut: the differences are too long"
        )
    for number, pair in enumerate(pairs):
        if number not in seen:
            why = "cut: the differences are too long" if cut else "git shows no difference"
            title = f"=== {_title(pair.change)} (not shown: {why})\n"
            sections.append(Section(name=pair.change.name, text=title, unseen=why))
    return sections


def _stream(pairs: Sequence[_Pair]) -> bytes:
    """Return two commits for `git fast-import`: all files before, and all files after."""
    stream = bytearray(b"feature done\n")
    for reference, after in ((b"old", False), (b"new", True)):
        stream += b"commit refs/heads/%s\ncommitter review <> 0 +0000\ndata 0\n" % reference
        for number, pair in enumerate(pairs):
            side = pair.change.new if after else pair.change.old
            if side is not None:
                data = (pair.new if after else pair.old).encode()
                mode = side.mode if side.mode in (FILE, EXECUTABLE, LINK) else FILE
                stream += b"M %s inline %06d\ndata %d\n%s\n" % (mode.encode(), number, len(data), data)
    return bytes(stream + b"done\n")


def _section(pairs: Sequence[_Pair], text: str) -> tuple[set[int], Section]:
    """Return one file's part of git's output, with the real names in its head. The head contains no line of content."""
    start = text.find("\n@@ ")
    head, body = (text, "") if start < 0 else (text[: start + 1], text[start + 1 :])
    numbers = list[int]()

    def name(found: re.Match[str]) -> str:
        numbers.append(int(found[2]))
        return quoted((found[1] or "").encode() + pairs[int(found[2])].change.name)

    lines = [_NUMBER.sub(name, line) if _NAMED.match(line) else line for line in head.splitlines()]
    pair = pairs[numbers[-1]]
    notes = [text for text in (pair.change.label, pair.note) if text]
    lines[1:1] = [f"({'; '.join(notes)})"] if notes else []
    return set(numbers), Section(name=pair.change.name, text="\n".join(lines) + "\n" + body)
