"""Read commits, trees, the index and contents of a repository with the git module, which runs nothing of the repository."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from llm_gateway.errors import InvalidRequest
from llm_gateway.git import GitError, Repository, open_repository

_MOST_LISTED = 256 << 20
_MOST_SHORT = 1 << 20
_LEGACY_MODES = {"100664": "100644"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file in a tree, or in the index."""

    mode: str
    oid: str
    sparse: bool = False  #: the index marks it as not checked out (skip-worktree)


class History:
    """An open repository. Every method blocks and raises GitError."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.top = repository.top

    def ends_of(self, range_: str) -> tuple[str, str]:
        """Return the first and last commit of a range. A single commit has no last one: it is compared with the working tree."""
        if range_.startswith("-") or any(letter.isspace() for letter in range_):
            raise InvalidRequest(f"{range_!r} is not a range of commits")
        commits = self._words("rev-parse", "--revs-only", range_, "--").split()
        bases = [commit[1:] for commit in commits if commit.startswith("^")]
        heads = [commit for commit in commits if not commit.startswith("^")]
        if not heads or len(bases) > 1:
            raise InvalidRequest(
                f"{range_!r} names no commits of this repository", recovery="Pass what git diff takes: main...HEAD"
            )
        return (bases[0], heads[0]) if bases else (heads[0], "")

    def head(self) -> str:
        """Return the current commit; the empty tree in a repository without commits."""
        found = self._words("rev-parse", "--verify", "--quiet", "HEAD", codes=(0, 1)).strip()
        return found or self._words("hash-object", "-t", "tree", "/dev/null").strip()

    def tree(self, commit: str) -> dict[bytes, Entry]:
        """Return all files of a commit."""
        listed = self._list("ls-tree", "-r", "-z", "--full-tree", commit)
        return {path: Entry(mode=_mode(words[0]), oid=words[2]) for words, path in listed}

    def index(self) -> dict[bytes, Entry]:
        """Return all files of the index. For a file with a conflict, return one of its versions."""
        found = {}
        for words, path in self._list("ls-files", "--stage", "-t", "-z"):
            found[path] = Entry(mode=_mode(words[1]), oid=words[2], sparse=words[0] == "S")
        return found

    def between(self, base: str, head: str) -> Iterator[tuple[bytes, Entry | None, Entry | None]]:
        """Return the differences between two commits: path, entry before, and entry after."""
        data = self._repository.run(
            ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", "--full-index", base, head],
            most_bytes=_MOST_LISTED,
        )
        parts = iter(data.split(b"\0")[:-1])
        for words, path in zip(parts, parts, strict=True):
            old_mode, new_mode, old, new, _ = words.decode().removeprefix(":").split(" ")
            yield path, _entry(old_mode, old), _entry(new_mode, new)

    def new_files(self) -> list[bytes]:
        """Return files of the working tree that are neither in the index nor ignored. A name with a final `/` is a repository."""
        return self._others("--exclude-standard")

    def ignored(self) -> list[bytes]:
        """Return ignored files. For a directory that a rule names, return only its name with a final `/`."""
        return self._others("--exclude-standard", "--ignored", "--directory")

    def excluded(self) -> list[bytes]:
        """Return files that the rules in `.git/info/exclude` ignore."""
        rules = f"{self._repository.place.common_dir}/info/exclude"
        return self._others(f"--exclude-from={rules}", "--ignored", "--directory") if os.path.isfile(rules) else []

    def _others(self, *how: str) -> list[bytes]:
        data = self._repository.run(["ls-files", "--others", "-z", *how], most_bytes=_MOST_LISTED)
        return [name for name in data.split(b"\0") if name]

    def contents(self, oids: Iterable[str], *, each: int, together: int) -> dict[str, bytes]:
        """Return the contents of objects, small ones first. Missing objects, and those above the limits, are left out."""
        asked = sorted(set(oids))
        if not asked:
            return {}
        sizes = self._repository.run(
            ["cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)"],
            most_bytes=_MOST_LISTED,
            data="".join(f"{oid}\n" for oid in asked).encode(),
        )
        known = [line.split(" ") for line in sizes.decode().splitlines()]
        wanted, room = list[str](), together
        for size, oid in sorted((int(words[2]), words[0]) for words in known if len(words) == 3 and words[1] == "blob"):
            if size <= each and size <= room:
                wanted.append(oid)
                room -= size
        data = self._repository.run(
            ["cat-file", "--batch=%(objectname) %(objecttype) %(objectsize)"],
            most_bytes=together + 200 * (len(wanted) + 1),
            data="".join(f"{oid}\n" for oid in wanted).encode(),
        )
        return dict(_objects(data)) if wanted else {}

    def _words(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        return self._repository.run(list(arguments), most_bytes=_MOST_SHORT, codes=codes).decode(errors="replace")

    def _list(self, *arguments: str) -> Iterator[tuple[list[str], bytes]]:
        for line in self._repository.run(list(arguments), most_bytes=_MOST_LISTED).split(b"\0"):
            if line:
                words, _, path = line.partition(b"\t")
                yield words.decode().split(), path


@contextmanager
def open_history(directory: str) -> Iterator[History]:
    """Open the repository of a directory. Raises InvalidRequest if git fails."""
    try:
        with open_repository(directory) as repository:
            repository.use_file_settings_of_user()
            repository.use_upstreams()
            yield History(repository)
    except GitError as error:
        raise InvalidRequest(str(error)) from None


def _objects(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        oid, _, size = data[at:end].decode().split(" ")
        yield oid, data[end + 1 : end + 1 + int(size)]
        at = end + int(size) + 2


def _mode(words: str) -> str:
    return _LEGACY_MODES.get(words, words)


def _entry(mode: str, oid: str) -> Entry | None:
    return None if mode == "000000" else Entry(mode=_mode(mode), oid=oid)
