"""The state of directories as one digest: for git working trees from git's data, for everything else from the content.

Git is asked for its index, for the files whose times have changed since, and for the files that it does not have. What those
hold is compared here, by content: so no filter is needed, and no program of the repository's is run.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from llm_gateway import Budget, ContentDigest, OverBudget
from llm_gateway.files import open_regular
from llm_gateway.git import GitError, Place, Repository, find_place, open_repository

_MOST_LISTED = 64 * 1024 * 1024
_PIECE = 1 << 20
#: How `ls-files -s -v --others` marks a file that git does not have, and regular files that it compares itself.
_OTHER = b"? "
_COMPARED_BY_GIT = (b"H 100644 ", b"H 100755 ")
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

    None if it cannot be determined within the budget.
    """
    try:
        digest = _TreeDigest(budget, [])
        for directory in directories:
            digest.add_root(os.path.realpath(directory))
    except (OverBudget, OSError, RecursionError):
        return None
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Indexed:
    """What the index says of a file."""

    mode: str
    oid: str


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
        self._add_index(top, listed, _touched(touched))

    def _ask(self, repository: Repository, *arguments: str) -> bytes:
        self.budget.spend()
        return repository.run(arguments, most_bytes=_MOST_LISTED, timeout_s=self.budget.seconds_left)

    def _add_own_files(self, place: Place) -> None:
        for folder, names in ((place.git_dir, _OWN), (place.common_dir, _COMMON)):
            for name in names:
                self.add("git", name)
                self.add_path(os.path.join(folder, name))

    def _add_index(self, top: str, listed: bytes, touched: Mapping[str, _Indexed]) -> None:
        lines = [line for line in listed.split(b"\0") if line]
        index = [line for line in lines if not line.startswith(_OTHER)]
        self.add("index", b"\0".join(index))
        for line in index:
            if not line.startswith(_COMPARED_BY_GIT):  # a link, a submodule, or git is configured to skip it
                path = os.fsdecode(line.partition(b"\t")[2])
                self.add("tracked", path)
                self.add_path(os.path.join(top, path))
        for path, indexed in touched.items():
            if not self._is_as_indexed(os.path.join(top, path), indexed):
                self.add("changed", path)
                self.add_path(os.path.join(top, path))
        for line in lines:
            path = os.fsdecode(line[len(_OTHER) :]).rstrip("/")
            if line.startswith(_OTHER) and not self.is_left_out(os.path.join(top, path)):
                self.add("other", path)
                self.add_path(os.path.join(top, path))

    def _is_as_indexed(self, path: str, entry: _Indexed) -> bool:
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


def _touched(listed: bytes) -> dict[str, _Indexed]:
    """The files that `diff-files --raw -z` prints: facts (`:mode mode oid oid status`), path, and so on."""
    words = listed.split(b"\0")
    found = {}
    for facts, path in zip(words[0::2], words[1::2], strict=False):
        mode, _, oid, _, _ = facts.decode("ascii").lstrip(":").split(" ")
        found[os.fsdecode(path)] = _Indexed(mode=mode, oid=oid)
    return found
