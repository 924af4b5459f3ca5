"""Where a repository lies, and whether it really is the repository of the directory that names it. Runs nothing."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from errno import ENOENT, ENOTDIR

from llm_gateway.files import read_regular

_MAX_POINTER = 64 * 1024
_EXCLUDE = "info/exclude"
_MAX_EXCLUDE = 16 << 20
#: How deep submodules may be nested.
_MAX_DEPTH = 20
#: What git reads of a repository: none of it may be a symlink.
_READ = {"HEAD", "config", "index", "info", "logs", "objects", "packed-refs", "refs", "shallow"}


class GitError(Exception):
    """Git cannot be asked, or did not answer. The message says why, in words for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A working tree and its repository. All paths are absolute and free of symlinks."""

    top: str  #: the uppermost directory of the working tree
    git_dir: str  #: where HEAD and the index are
    common_dir: str  #: where objects and references are; differs from `git_dir` in a linked worktree


def find_place(directory: str | os.PathLike[str], _depth: int = 0) -> Place | None:
    """Find the repository of a directory: the nearest `.git` in it or above. None outside of any.

    Raises GitError where there is a `.git` that is not this directory's own: a symlink, a file that points elsewhere, a
    repository that borrows from another one. A linked worktree is accepted if its repository points back, and a submodule
    if its repository lies in that of its superproject.
    """
    here = os.path.realpath(directory)
    while True:
        entry = os.path.join(here, ".git")
        try:
            mode = os.lstat(entry).st_mode
        except OSError as error:
            if error.errno not in (ENOENT, ENOTDIR):
                raise GitError(f"{entry} cannot be read: {error.strerror}") from error
        else:
            return _place_of(here, entry, mode, _depth)
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above


def _place_of(top: str, entry: str, mode: int, depth: int) -> Place:
    if stat.S_ISLNK(mode):
        raise GitError(f"{entry} is a symlink; a symlink can lead into another repository")
    if stat.S_ISDIR(mode):
        if os.path.lexists(os.path.join(entry, "commondir")):
            raise GitError(f"{entry} takes its objects from another repository (it holds a file `commondir`)")
        place = Place(top=top, git_dir=entry, common_dir=entry)
    elif stat.S_ISREG(mode):
        place = _pointed_place(top, entry, depth)
    else:
        raise GitError(f"{entry} is neither a directory nor a file")
    _check_own(place)
    return place


def _pointed_place(top: str, entry: str, depth: int) -> Place:
    """The repository that a `.git` file points to."""
    words = _pointer(entry)
    if not words.startswith("gitdir:"):
        raise GitError(f"{entry} is not a git file")
    git_dir = os.path.realpath(os.path.join(top, words.removeprefix("gitdir:").strip()))
    if os.path.basename(os.path.dirname(git_dir)) == "worktrees" and _points_back(git_dir, entry):
        common = os.path.dirname(os.path.dirname(git_dir))
        named = os.path.realpath(os.path.join(git_dir, _pointer(os.path.join(git_dir, "commondir")).strip()))
        if named == common:
            return Place(top=top, git_dir=git_dir, common_dir=common)
    elif _in_superproject(top, git_dir, depth):
        return Place(top=top, git_dir=git_dir, common_dir=git_dir)
    raise GitError(f"{entry} points to {git_dir}, which is another repository: it does not point back")


def _points_back(git_dir: str, entry: str) -> bool:
    try:
        named = os.path.join(git_dir, _pointer(os.path.join(git_dir, "gitdir")).strip())
        return os.path.realpath(named) == entry
    except GitError:
        return False


def _in_superproject(top: str, git_dir: str, depth: int) -> bool:
    """Whether this is the repository of a submodule: it lies in `modules` of the repository around the working tree."""
    above = os.path.dirname(top)
    if above == top or depth >= _MAX_DEPTH or os.path.lexists(os.path.join(git_dir, "commondir")):
        return False
    around = find_place(above, depth + 1)
    if around is None:
        return False
    roots = {os.path.join(place, "modules") for place in (around.git_dir, around.common_dir)}
    return any(git_dir.startswith(root + os.sep) for root in roots)


def _check_own(place: Place) -> None:
    """Raise GitError for a repository whose parts lie in another one, or are no files."""
    objects = os.path.join(place.common_dir, "objects")
    inside = (objects, os.path.join(objects, "pack"))
    for folder in dict.fromkeys((place.git_dir, place.common_dir, *inside)):
        try:
            with os.scandir(folder) as entries:
                links = [entry.name for entry in entries if entry.is_symlink()]
            if folder not in inside:  # programs and notes of the user's (hooks) may be links
                links = [name for name in links if name in _READ or name.startswith("sharedindex.")]
        except OSError as error:
            if folder.endswith("pack") and error.errno == ENOENT:
                continue
            raise GitError(f"{place.git_dir} is not a git repository: {error.strerror} ({folder})") from error
        if links:
            raise GitError(f"{os.path.join(folder, links[0])} is a symlink; a symlink can lead into another repository")
    for name in ("alternates", "http-alternates"):
        alternates = os.path.join(objects, "info", name)
        if os.path.lexists(alternates):
            raise GitError(
                f"this repository borrows objects of another one ({alternates}); "
                "`git repack -a -d` copies them, then delete that file"
            )
    for folder, names in ((place.git_dir, ("HEAD", "index")), (place.common_dir, ("packed-refs", "shallow", _EXCLUDE))):
        for name in names:
            _check_file(os.path.join(folder, name), most_bytes=_MAX_EXCLUDE if name == _EXCLUDE else None)


def _check_file(path: str, most_bytes: int | None) -> None:
    """Raise GitError for what git would wait for (a named pipe), or never read to its end (a device, a huge list of patterns)."""
    try:
        facts = os.stat(path)
    except OSError:  # git says what it thinks of it
        return
    if not stat.S_ISREG(facts.st_mode):
        raise GitError(f"{path} is no regular file: git would wait for it")
    if most_bytes is not None and facts.st_size > most_bytes:
        raise GitError(f"{path} has {facts.st_size:,} bytes, more than {most_bytes:,}: git would read all of it")


def _pointer(path: str) -> str:
    try:
        return os.fsdecode(read_regular(path, most_bytes=_MAX_POINTER))
    except OSError as error:
        raise GitError(f"{path} cannot be read: {error.strerror}") from error
