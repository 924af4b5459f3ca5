"""What git knows of a repository: commits, trees, the index, contents. Asked through the one git module, so nothing of it is run."""

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
    sparse: bool = False  #: in the index: git was told not to have it in the working tree


class History:
    """A repository while it is open. Every method blocks, and raises GitError."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self.top = repository.top

    def ends_of(self, range_: str) -> tuple[str, str]:
        """The commits that a range begins and ends at; a single one is compared with the working tree, and ends nowhere."""
        if range_.startswith("-") or any(letter.isspace() for letter in range_):
            raise InvalidRequest(f"{range_!r} is no range of commits")
        commits = self._words("rev-parse", "--revs-only", range_, "--").split()
        bases = [commit[1:] for commit in commits if commit.startswith("^")]
        heads = [commit for commit in commits if not commit.startswith("^")]
        if not heads or len(bases) > 1:
            raise InvalidRequest(f"{range_!r} names no commits here", recovery="Pass what git diff takes: main...HEAD")
        return (bases[0], heads[0]) if bases else (heads[0], "")

    def head(self) -> str:
        """The present commit; of a repository without any, the empty tree."""
        found = self._words("rev-parse", "--verify", "--quiet", "HEAD", codes=(0, 1)).strip()
        return found or self._words("hash-object", "-t", "tree", "/dev/null").strip()

    def tree(self, commit: str) -> dict[bytes, Entry]:
        """All files of a commit."""
        listed = self._list("ls-tree", "-r", "-z", "--full-tree", commit)
        return {path: Entry(mode=_mode(words[0]), oid=words[2]) for words, path in listed}

    def index(self) -> dict[bytes, Entry]:
        """All files of the index. Of a file with a conflict, one of its versions."""
        found = {}
        for words, path in self._list("ls-files", "--stage", "-t", "-z"):
            found[path] = Entry(mode=_mode(words[1]), oid=words[2], sparse=words[0] == "S")
        return found

    def between(self, base: str, head: str) -> Iterator[tuple[bytes, Entry | None, Entry | None]]:
        """What differs between two commits: the path, before, and after."""
        data = self._repository.run(
            ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-commit-id", "--full-index", base, head],
            most_bytes=_MOST_LISTED,
        )
        parts = iter(data.split(b"\0")[:-1])
        for words, path in zip(parts, parts, strict=True):
            old_mode, new_mode, old, new, _ = words.decode().removeprefix(":").split(" ")
            yield path, _entry(old_mode, old), _entry(new_mode, new)

    def new_files(self) -> list[bytes]:
        """What is in the working tree, not in the index, and not ignored. A name that ends in `/` is a repository of its own."""
        return self._others("--exclude-standard")

    def ignored(self) -> list[bytes]:
        """What is ignored. Of a directory that a rule names only its own name, with `/` at its end."""
        return self._others("--exclude-standard", "--ignored", "--directory")

    def excluded(self) -> list[bytes]:
        """As `ignored`, but only by the rules in `.git/info/exclude`."""
        rules = f"{self._repository.place.common_dir}/info/exclude"
        return self._others(f"--exclude-from={rules}", "--ignored", "--directory") if os.path.isfile(rules) else []

    def _others(self, *how: str) -> list[bytes]:
        data = self._repository.run(["ls-files", "--others", "-z", *how], most_bytes=_MOST_LISTED)
        return [name for name in data.split(b"\0") if name]

    def contents(self, oids: Iterable[str], *, each: int, together: int) -> dict[str, bytes]:
        """The contents of objects, the small ones first. Those that are missing, too large or too much are left out."""
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
    """Open the repository of a directory. Raises InvalidRequest for whatever git cannot do there."""
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
