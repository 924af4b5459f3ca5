"""Collect the material of a review, once for all of its reviewers. Every function blocks: call it in a thread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llm_gateway.errors import InvalidRequest
from llm_gateway.git import GitError
from llm_gateway_extension_review.changes import Changes, Side, beginning_of, between_commits, in_working_tree
from llm_gateway_extension_review.comparing import Section, compare
from llm_gateway_extension_review.decoding import bytes_of, quoted, shown
from llm_gateway_extension_review.history import open_history
from llm_gateway_extension_review.report import NOT_SHOWN
from llm_gateway_extension_review.state import Scope
from llm_gateway_extension_review.worktree import EXECUTABLE, FILE, LINK, WorkingTree

MOST_BYTES = 400_000  #: about 100,000 tokens for every reviewer
NOTHING = "there is nothing to review: no difference was found"
_MOST_NAMED = 50
_FORGED = re.compile(r"^(?:===|diff --git)", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The material, and whether it is complete."""

    text: str
    cut: bool = False
    notes: tuple[str, ...] = ()  #: what is missing in the text, for readers of the verdict


def settle(directory: str, range_: str | None, uncommitted: bool, files: tuple[str, ...], text: str | None) -> Scope:
    """Return the scope of the review with resolved commits. The default are the uncommitted changes.

    Raises InvalidRequest, also if several scopes are named.
    """
    named = [bool(range_), uncommitted, bool(files), text is not None]
    if sum(named) > 1:
        raise InvalidRequest("pass only one of range, uncommitted, files and text")
    if range_:
        with open_history(directory) as history:
            base, head = history.ends_of(range_)
        return Scope(kind="range", range=range_, base=base, head=head)
    if files:
        return Scope(kind="files", files=_inside(directory, files))
    if text is not None:
        return Scope(kind="text")
    return Scope(kind="uncommitted", base=_head(directory))


def collect(directory: str, scope: Scope, text: str, *, again: bool) -> Evidence:
    """Collect the current material.

    :param text: of the scope `text`.
    :param again: the implementer has changed files: compare a range with the working tree, which holds these changes.

    Raises InvalidRequest if there is no material or git fails.
    """
    if scope.kind == "text":
        found = Evidence(text=text)
        if again:
            now = _changes(directory, Scope(kind="uncommitted", base=_head(directory)), again=True)
            found = Evidence(text=f"{text}\n\nWhat was changed since:\n\n{now.text}", cut=now.cut, notes=now.notes)
    elif scope.kind == "files":
        found = _files(directory, scope.files)
    else:
        found = _changes(directory, scope, again=again)
    if not found.text.strip() and not again:
        aside = f" ({'; '.join(found.notes)})" if found.notes else ""
        raise InvalidRequest(NOTHING + aside)
    return found


def _inside(directory: str, files: tuple[str, ...]) -> tuple[str, ...]:
    """Return these files if they are in the directory. Raises InvalidRequest."""
    inside = Path(directory).resolve()
    for name in files:
        path = (inside / name).resolve()
        if "\0" in name or not path.is_relative_to(inside):
            raise InvalidRequest(f"{name!r} is outside of {directory}")
        if not path.is_file():
            raise InvalidRequest(f"there is no file {name!r} in {directory}")
    return files


def _head(directory: str) -> str:
    with open_history(directory) as history:
        return history.head()


def _changes(directory: str, scope: Scope, *, again: bool) -> Evidence:
    with open_history(directory) as history:
        if scope.head and not again:
            found = between_commits(history, scope.base, scope.head)
        else:
            found = in_working_tree(history, scope.base, MOST_BYTES)
    try:
        return _fitted([*compare(found.changed), *map(_new_section, found.new)], found)
    except GitError as error:
        raise InvalidRequest(str(error)) from None


def _files(directory: str, names: Iterable[str]) -> Evidence:
    inside, sections = Path(directory).resolve(), []
    with WorkingTree(str(inside)) as files:
        for name in names:
            given = Path(name).resolve().relative_to(inside) if Path(name).is_absolute() else name
            path = _normal(bytes_of(str(given)))
            now = files.look(path, MOST_BYTES, hashed=False)
            side = beginning_of(now)
            if now.kind == "absent":
                side = Side(mode=FILE, why="it is behind a symlink")
            elif now.kind == "link":
                side = replace(side, why="a symlink; it is not followed")
            sections.append(_new_section((path, side)))
    return _fitted(sections, Changes())


def _normal(path: bytes) -> bytes:
    """Return a relative path without `.` and `..`; paths to outside were refused before."""
    kept = list[bytes]()
    for part in path.split(b"/"):
        if part == b"..":
            kept = kept[:-1]
        elif part not in (b"", b"."):
            kept.append(part)
    return b"/".join(kept)


def _new_section(new: tuple[bytes, Side]) -> Section:
    """Return the section of a new file. If one of its lines has the form of a heading, all its lines are marked as content."""
    name, side = new
    text = None if side.data is None else shown(side.data)
    if text is None:
        why = side.why or "not text"
        return Section(name=name, text=f"=== {quoted(name)} (not text, or not readable: {why})\n", unseen=why)
    if side.mode == LINK:
        title = f"=== {quoted(name)} (a symlink to {quoted(side.data or b'')}; it is not followed)\n"
        return Section(name=name, text=title, unseen=side.why)
    notes = ["executable"] if side.mode == EXECUTABLE else []
    if _FORGED.search(text):
        notes.append("each of its lines stands behind `| `")
        text = "\n".join(f"| {line}" for line in text.split("\n"))
    suffix = f" ({'; '.join(notes)})" if notes else ""
    return Section(name=name, text=f"=== {quoted(name)}{suffix}\n{text}\n", unseen=side.why)


def _fitted(sections: Sequence[Section], found: Changes) -> Evidence:
    """Return the sections that fit into `MOST_BYTES`. Short ones are taken first, so that a long file does not replace them."""
    reserve = min(20_000, MOST_BYTES // 4)
    room, kept, unseen = MOST_BYTES - reserve, dict[int, str](), [*found.unseen]
    sizes = [len(section.text.encode()) + 1 for section in sections]
    cut = False
    for number in sorted(range(len(sections)), key=lambda index: sizes[index]):
        section = sections[number]
        if sizes[number] <= room:
            kept[number] = section.text
            room -= sizes[number]
            if section.unseen:
                unseen.append((section.name, section.unseen))
            continue
        cut = True
        part = section.text.encode()[: max(0, room)].decode(errors="ignore")
        kept[number] = part
        unseen.append((section.name, f"cut: {len(part.encode()):,} of {sizes[number]:,} bytes are shown"))
        room = 0
    text = "\n".join(kept[number].rstrip("\n") + "\n" for number in sorted(kept) if kept[number])
    reasons = [f"{quoted(name)}: {why}" for name, why in unseen]
    if reasons:
        listed = "\n".join(f"- {reason}" for reason in _first(reasons, reserve // 300))
        text += f"\n=== Not shown, or not wholly. Nobody has reviewed it unless you read it:\n{listed}\n"[: reserve - 1]
    notes = [NOT_SHOWN + reason for reason in [*_first(reasons, _MOST_NAMED), *found.aside]]
    return Evidence(text=text, cut=cut, notes=tuple(notes))


def _first(reasons: list[str], most: int) -> list[str]:
    if len(reasons) <= most:
        return reasons
    return [*reasons[:most], f"and {len(reasons) - most} more"]
