"""The state of directories as one digest: of git working trees by what git knows of them, of everything else by content.

Git is asked for its index, for the files whose times have changed since, and for the files that it does not have. What those
hold is compared here, by content: so no filter is needed, and no program of the repository's is run.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from llm_gateway import Budget, ContentDigest, OverBudget
from llm_gateway.files import open_regular
from llm_gateway.git import GitError, Place, Repository, find_place, open_repository

_MOST_LISTED = 64 * 1024 * 1024
_PIECE = 1 << 20
#: What a run can see of a repository by git commands, beside the index: which commit and branch, and what is under way.
_OWN = (
    "HEAD",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "BISECT_LOG",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
)
_COMMON = ("config", "config.worktree", "packed-refs", "refs", "info", "shallow")


def tree_state(directories: Sequence[str], budget: Budget) -> str | None:
    """A digest of all that the directories hold, and of the whole repositories that they are in. Blocking.

    None when that cannot be told within the budget.
    """
    try:
        digest = _TreeDigest(budget, [])
        for directory in directories:
            digest.add_root(os.path.realpath(directory))
    except OverBudget:
        return None
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracked:
    """An entry of the index."""

    flag: str  #: H: usual; lower case: assumed unchanged; S: not looked at
    mode: str
    oid: str
    path: str

    @property
    def is_compared_by_git(self) -> bool:
        return self.flag == "H"


class _TreeDigest(ContentDigest):
    """Adds a directory that holds a `.git` as the working tree it is."""

    def add_root(self, directory: str) -> None:
        """Add a directory, and the repository around it."""
        place = _place(directory)
        self.roots.append(place.top if place else directory)
        self.add("root", directory)
        if place is None or directory.startswith(os.path.join(place.top, ".git") + os.sep):
            self.add_path(directory)
        elif self.first_time(os.stat(place.top)):
            self._add_working_tree(place.top)

    def add_directory(self, path: str, entries: Iterable[os.DirEntry[str]]) -> None:
        entries = list(entries)
        if any(entry.name == ".git" for entry in entries):
            self._add_working_tree(path)
        else:
            super().add_directory(path, entries)

    def _add_working_tree(self, top: str) -> None:
        try:
            with open_repository(top) as repository:
                listed = self._ask(repository, "ls-files", "-s", "-v", "--others", "-z")
                touched = self._ask(repository, "diff-files", "--raw", "--no-renames", "--ignore-submodules=all", "-z")
                place = repository.place
        except GitError as error:
            raise OverBudget(str(error)) from error
        self._add_own_files(place)
        self._add_index(top, listed, set(_touched(touched)))

    def _ask(self, repository: Repository, *arguments: str) -> bytes:
        self.budget.spend()
        return repository.run(arguments, most_bytes=_MOST_LISTED, timeout_s=self.budget.seconds_left)

    def _add_own_files(self, place: Place) -> None:
        for folder, names in ((place.git_dir, _OWN), (place.common_dir, _COMMON)):
            for name in names:
                self.add("git", name)
                self.add_path(os.path.join(folder, name))

    def _add_index(self, top: str, listed: bytes, touched: set[str]) -> None:
        tracked, others = _entries(listed)
        self.add("index", *(b"\0".join(line for line in listed.split(b"\0") if not line.startswith(b"? ")),))
        for entry in tracked:
            path = os.path.join(top, entry.path)
            if entry.mode == "160000":
                self.add("submodule", entry.path)
                self.add_path(path)
            elif entry.mode == "120000":  # what it leads to may lie outside
                self.add("link", entry.path)
                self.add_path(path)
            elif not entry.is_compared_by_git or (entry.path in touched and not self._is_as_indexed(path, entry)):
                self.add("changed", entry.path)
                self.add_path(path)
        for other in others:
            path = os.path.join(top, other.rstrip("/"))
            if not self.is_left_out(path):
                self.add("other", other)
                self.add_path(path)

    def _is_as_indexed(self, path: str, entry: _Tracked) -> bool:
        """Whether a file whose times have changed has the content that the index names."""
        try:
            facts = os.lstat(path)
            if not stat.S_ISREG(facts.st_mode) or bool(facts.st_mode & 0o100) != (entry.mode == "100755"):
                return False
            self.budget.spend(facts.st_size)
            content = hashlib.new("sha1" if len(entry.oid) == 40 else "sha256", b"blob %d\0" % facts.st_size)
            with open(open_regular(path), "rb", buffering=0) as file:
                while piece := file.read(_PIECE):
                    self.budget.spend()
                    content.update(piece)
        except OSError:  # then it is added as it is
            return False
        return content.hexdigest() == entry.oid


def _place(directory: str) -> Place | None:
    try:
        return find_place(directory)
    except GitError as error:
        raise OverBudget(str(error)) from error


def _entries(listed: bytes) -> tuple[list[_Tracked], list[str]]:
    """What `ls-files -s -v --others -z` prints: the index, and what is not in it."""
    tracked, others = [], []
    for line in listed.split(b"\0"):
        if line.startswith(b"? "):
            others.append(os.fsdecode(line[2:]))
        elif line:
            facts, _, path = line.partition(b"\t")
            flag, mode, oid, _ = facts.decode("ascii").split(" ")
            tracked.append(_Tracked(flag=flag, mode=mode, oid=oid, path=os.fsdecode(path)))
    return tracked, others


def _touched(listed: bytes) -> Iterator[str]:
    """The paths that `diff-files --raw -z` prints, each after its facts."""
    return map(os.fsdecode, listed.split(b"\0")[1::2])
