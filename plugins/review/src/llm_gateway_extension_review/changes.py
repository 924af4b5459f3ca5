"""Find changed files by their content only, not by the flags and times of the index or by attributes.

A repository can make git skip a file: by a flag in the index, by changed times, by a filter, or by an ignore rule that is not
committed. So the files of the working tree are compared with those of the commit by their hashes. Files that cannot be compared,
or are left out on purpose, are listed by name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_review.decoding import name_of, quoted
from llm_gateway_extension_review.history import Entry, History, open_history
from llm_gateway_extension_review.worktree import FILE, LATE, MOST_IN_MEMORY, SUBMODULE, Found, WorkingTree

_COMPARE_S = 60.0  #: seconds for comparing all files
_TOGETHER = 64 << 20  #: bytes of contents of a repository in memory
_MOST_NEW_FILES = 500
_MOST_NEW_BYTES, _ENOUGH = 16 << 20, 8 << 10  #: bytes of all new files; bytes of each further file after that
_MOST_DEPTH = 5  #: levels of nested submodules
_NAMED = 5
#: The pointer that Git LFS commits instead of a large file.
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n")
AS_STAGED = "as staged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A file before or after."""

    mode: str
    data: bytes | None = None  #: None: the content cannot be shown
    why: str = ""  #: why the content is not or not completely shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A file that differs."""

    name: bytes
    old: Side | None
    new: Side | None
    label: str = ""  #: the version, if it is not that of the working tree


@dataclass(slots=True, kw_only=True)
class Changes:
    """All changes, and the names of files that were not compared."""

    changed: list[Change] = field(default_factory=list)
    new: list[tuple[bytes, Side]] = field(default_factory=list)
    unseen: list[tuple[bytes, str]] = field(default_factory=list)  #: name of a file, and why it is not shown
    aside: list[str] = field(
        default_factory=list
    )  #: descriptions of files that are never compared, such as files that are not checked out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Versions:
    """The versions of a file in the commit, in the index and in the working tree."""

    path: bytes
    old: Entry | None
    staged: Entry | None
    now: Found

    @property
    def changed(self) -> bool:
        return not _is(self.old, self.now)

    @property
    def staged_apart(self) -> bool:
        """Whether the version in the index differs from both other versions."""
        if self.staged is None or self.staged.mode == SUBMODULE or _is(self.staged, self.now):
            return False
        return self.old is None or (self.staged.mode, self.staged.oid) != (self.old.mode, self.old.oid)


def between_commits(history: History, base: str, head: str) -> Changes:
    """Return the changes between two commits."""
    found = Changes()
    listed = list(history.between(base, head))
    contents = _Contents(history, [entry for _, old, new in listed for entry in (old, new)])
    for path, old, new in listed:
        found.changed.append(Change(name=path, old=contents.side(old), new=contents.side(new)))
        if new and new.mode == SUBMODULE:
            found.unseen.append((path, "a submodule: only which commit it is at is shown"))
    return found


def in_working_tree(history: History, base: str, room: int) -> Changes:
    """Return the changes between a commit and the working tree, including new files and the content of submodules.

    :param room: the number of bytes of a new file to read.
    """
    return _Comparison(history, base, room=room, until=time.monotonic() + _COMPARE_S).made()


class _Comparison:
    """A commit and a working tree."""

    def __init__(self, history: History, base: str, *, room: int, until: float, depth: int = 0) -> None:
        self._history = history
        self._room = room
        self._until = until
        self._depth = depth
        self._tree, self._index = history.tree(base), history.index()
        self._files = WorkingTree(history.top, algorithm="sha256" if len(base) == 64 else "sha1", until=until)
        self._found = Changes()

    def made(self) -> Changes:
        with self._files:
            differing = list(self._versions())
            contents = _Contents(self._history, [entry for file in differing for entry in (file.old, file.staged)])
            for file in differing:
                self._add(contents, file)
            paths = [path for entries in (self._tree, self._index) for path in entries if self._is_submodule(path)]
            for path in sorted(set(paths)):
                self._submodule(path)
            self._new_files()
        return self._found

    def _is_submodule(self, path: bytes) -> bool:
        return SUBMODULE in {entry.mode for entry in (self._tree.get(path), self._index.get(path)) if entry}

    def _versions(self) -> Iterable[_Versions]:
        """Yield every file whose three versions are not all equal."""
        sparse = 0
        for path in sorted(set(self._tree) | set(self._index)):
            old, staged = self._tree.get(path), self._index.get(path)
            if time.monotonic() > self._until:
                self._found.unseen.append((path, LATE))
                continue
            if self._is_submodule(path) and self._files.look(path, 0, hashed=False).kind in ("directory", "absent"):
                continue
            now = self._files.look(path)
            if now.kind == "absent" and staged and staged.sparse:
                sparse += 1
                continue
            file = _Versions(path=path, old=old, staged=staged, now=now)
            if file.changed or file.staged_apart:
                yield file
        if sparse:
            self._found.aside.append(f"{sparse} files that are not checked out (sparse checkout)")

    def _add(self, contents: _Contents, file: _Versions) -> None:
        """Add one file as it is now, and also its staged version if that differs from both others."""
        before, after = contents.side(file.old), _side_of(file.now)
        exists = before is not None or after is not None
        if file.changed and exists and not self._is_pointer_to(before, file):
            self._found.changed.append(Change(name=file.path, old=before, new=after))
        if file.staged_apart:
            staged = contents.side(file.staged)
            self._found.changed.append(Change(name=file.path, old=after, new=staged, label=AS_STAGED))

    def _is_pointer_to(self, before: Side | None, file: _Versions) -> bool:
        """Return whether the commit contains a Git LFS pointer to exactly this file."""
        if before is None or before.data is None or file.now.kind != "file" or before.mode != file.now.mode:
            return False
        pointer = _POINTER.fullmatch(before.data)
        if pointer is None or int(pointer[2]) != file.now.size:
            return False
        return self._files.sha256(file.path) == pointer[1].decode()

    def _submodule(self, path: bytes) -> None:
        """Add the changes inside of a submodule since the commit that the outer repository names."""
        old, staged = self._tree.get(path), self._index.get(path)
        if (old and old.oid) != (staged and staged.oid):
            self._found.changed.append(Change(name=path, old=_pointer(old), new=_pointer(staged)))
        inside = self._files.names_in(path, _NAMED)
        if not inside:
            return  # the submodule is not checked out
        if self._files.look(path + b"/.git", 0, hashed=False).kind == "absent":
            why = f"a submodule without a repository; it holds {_some(inside)}"
        elif self._depth >= _MOST_DEPTH:
            why = "submodules are nested too deeply"
        elif not old or old.mode != SUBMODULE:
            why = "a new submodule: its content is not shown"
        else:
            why = self._look_inside(path, old.oid)
        if why:
            self._found.unseen.append((path, why))

    def _look_inside(self, path: bytes, base: str) -> str:
        """Add the changes of one submodule, or a note why they are unknown."""
        top = self._history.top
        try:
            with open_history(f"{top}/{name_of(path)}") as history:
                if history.top == top:
                    return "a submodule without a repository"
                inner = _Comparison(history, base, room=self._room, until=self._until, depth=self._depth + 1).made()
        except InvalidRequest as error:
            return f"a submodule that cannot be compared: {error.message}"
        prefix = path + b"/"
        self._found.changed += [replace(change, name=prefix + change.name) for change in inner.changed]
        self._found.new += [(prefix + name, side) for name, side in inner.new]
        self._found.unseen += [(prefix + name, why) for name, why in inner.unseen]
        self._found.aside += inner.aside
        return ""

    def _new_files(self) -> None:
        listed, read = sorted(self._history.new_files()), 0
        for number, name in enumerate(listed):
            if name.endswith(b"/"):
                inside = [entry for entry in self._files.names_in(name[:-1], _NAMED + 1) if entry != b".git"]
                why = f"a repository of its own; its files are not shown ({_some(inside)})"
                self._found.unseen.append((name, why))
            elif number >= _MOST_NEW_FILES:
                self._found.unseen.append((name, f"there are more than {_MOST_NEW_FILES} new files"))
            else:
                now = self._files.look(name, self._room if read < _MOST_NEW_BYTES else _ENOUGH, hashed=False)
                read += len(now.data)
                if now.kind != "absent":
                    self._found.new.append((name, beginning_of(now)))
        self._silently_ignored()

    def _silently_ignored(self) -> None:
        """List files that an uncommitted rule ignores, in .git/info/exclude or in an ignored .gitignore."""
        rules = [name for name in self._history.ignored() if name.rpartition(b"/")[2] == b".gitignore"]
        hidden = {*self._history.excluded(), *(name.removesuffix(b".gitignore") or name for name in rules)}
        tops = sorted(name for name in hidden if not _is_below(name, hidden))
        if tops:
            self._found.aside.append(f"ignored by rules that are in no file of the change: {_some(tops)}")


def beginning_of(now: Found) -> Side:
    """Return a new file, or the part of it that was read."""
    if not now.readable:
        return Side(mode=FILE, why=now.kind)
    why = "" if now.whole else f"only the first {len(now.data):,} of {now.size:,} bytes are shown"
    return Side(mode=now.mode, data=now.data, why=why)


def _side_of(now: Found) -> Side | None:
    if now.kind in ("absent", "directory"):
        return None
    if not now.readable:
        return Side(mode=FILE, why=now.kind)
    if not now.whole:
        return Side(mode=now.mode, why=f"{now.size:,} bytes are too many to compare")
    return Side(mode=now.mode, data=now.data)


def _is(entry: Entry | None, now: Found) -> bool:
    return entry is not None and (entry.mode, entry.oid) == (now.mode, now.oid)


def _pointer(entry: Entry | None) -> Side | None:
    """Return a submodule as a side of a comparison: its commit."""
    return None if entry is None else Side(mode=FILE, data=f"Subproject commit {entry.oid}\n".encode())


def _is_below(name: bytes, listed: set[bytes]) -> bool:
    parts = name.rstrip(b"/").split(b"/")
    return any(b"/".join(parts[:count]) + b"/" in listed for count in range(1, len(parts)))


def _some(names: list[bytes]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(quoted(name) for name in names[:_NAMED]) + more or "nothing"


class _Contents:
    """The contents of the needed entries."""

    def __init__(self, history: History, entries: Iterable[Entry | None]) -> None:
        oids = [entry.oid for entry in entries if entry and entry.mode != SUBMODULE]
        self._known = history.contents(oids, each=MOST_IN_MEMORY, together=_TOGETHER)

    def side(self, entry: Entry | None) -> Side | None:
        """Return a file as git stores it."""
        if entry is None:
            return None
        if entry.mode == SUBMODULE:
            return _pointer(entry)
        data = self._known.get(entry.oid)
        return Side(mode=entry.mode, data=data, why="" if data is not None else "too large, or not in the repository")
