"""What a review is about, collected once for all of its seats. Every function blocks: call it in a thread."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_review.git import Repository
from llm_gateway_extension_review.state import Scope

MOST_BYTES = 400_000  #: about 100,000 tokens, for every seat
NOTHING = "there is nothing to review: no difference was found"
_MOST_NEW_FILES = 500
_PEEK = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The material, and whether all of it is there."""

    text: str
    cut: bool = False


def settle(directory: str, range_: str | None, uncommitted: bool, files: tuple[str, ...], text: str | None) -> Scope:
    """Say what is to be reviewed, with the commits pinned. Raises InvalidRequest, also where several things are named.

    Nothing named: the uncommitted changes.
    """
    named = [bool(range_), uncommitted, bool(files), text is not None]
    if sum(named) > 1:
        raise InvalidRequest("range, uncommitted, files and text exclude each other")
    if range_:
        base, head = Repository(directory).ends_of(range_)
        return Scope(kind="range", range=range_, base=base, head=head)
    if files:
        inside = Path(directory).resolve()
        for name in files:
            path = (inside / name).resolve()
            if not path.is_relative_to(inside):
                raise InvalidRequest(f"{name} is outside of {directory}")
            if not path.is_file():
                raise InvalidRequest(f"there is no file {name} in {directory}")
        return Scope(kind="files", files=files)
    if text is not None:
        return Scope(kind="text")
    return Scope(kind="uncommitted", base=Repository(directory).head())


def collect(directory: str, scope: Scope, text: str, *, again: bool) -> Evidence:
    """Collect it as it is now.

    :param text: of the scope `text`.
    :param again: somebody has worked on it: a range is compared with the working tree, where his work is.

    Raises InvalidRequest where there is nothing, or git fails.
    """
    if scope.kind == "text":
        found = Evidence(text=text)
        if again:
            now = collect(directory, Scope(kind="uncommitted", base=Repository(directory).head()), "", again=True)
            found = Evidence(text=f"{text}\n\nWhat was changed since:\n\n{now.text}", cut=now.cut)
    elif scope.kind == "files":
        found = _files(Path(directory).resolve(), scope.files)
    elif scope.head and not again:
        diff, cut = Repository(directory).diff(scope.base, scope.head, MOST_BYTES)
        found = Evidence(text=diff, cut=cut)
    else:
        found = _working_tree(Repository(directory), scope.base)
    if not found.text.strip() and not again:
        raise InvalidRequest(NOTHING)
    return found


def _working_tree(repository: Repository, base: str) -> Evidence:
    diff, cut = repository.diff(base, "", MOST_BYTES)
    new = _files(repository.top.resolve(), tuple(repository.untracked()), MOST_BYTES - len(diff.encode()))
    return Evidence(text=diff + new.text, cut=cut or new.cut)


def _files(top: Path, names: tuple[str, ...], room: int = MOST_BYTES) -> Evidence:
    parts, cut = [], len(names) > _MOST_NEW_FILES
    for name in names[:_MOST_NEW_FILES]:
        data = _content(top / name, room)
        if data is None or b"\0" in data[:_PEEK]:
            parts.append(f"=== {name} (not text, or not readable)\n")
            continue
        if len(data) > room:
            cut, data = True, data[: max(0, room)]
        room -= len(data)
        parts.append(f"=== {name}\n{data.decode(errors='replace')}\n")
    return Evidence(text="\n".join(parts), cut=cut)


def _content(path: Path, room: int) -> bytes | None:
    """A file's first bytes; never a device's, a pipe's, or what a link leads to elsewhere."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return None
        return opened.read(max(0, room) + 1)
