"""Find the repository of a directory, and check that it belongs to this directory. Runs no program."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from errno import ENOENT, ENOTDIR
from itertools import islice

from llm_gateway.files import read_regular

_MAX_POINTER = 64 * 1024
_EXCLUDE = "info/exclude"
#: Bounds of the search for an unreadable `.gitignore`: folders, and bytes of a file.
_MAX_FOLDERS = 1000
_MAX_IGNORE_FILE = 16 << 20
_MAX_EXCLUDE = 16 << 20
#: How deep submodules may be nested.
_MAX_DEPTH = 20
#: The files of a repository that git reads. None of them may be a symlink.
_READ = {"HEAD", "config", "index", "info", "logs", "objects", "packed-refs", "refs", "shallow"}


class GitError(Exception):
    """Git could not be run, or failed. The message is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A working tree and its repository. All paths are absolute and free of symlinks."""

    top: str  #: the top directory of the working tree
    git_dir: str  #: the directory with HEAD and the index
    common_dir: str  #: the directory with objects and references; differs from `git_dir` in a linked worktree


def find_place(directory: str | os.PathLike[str], _depth: int = 0) -> Place | None:
    """Find the repository of a directory: the nearest `.git` in it or in its parents. None if there is no `.git`.

    Raises GitError for a `.git` that uses another repository: a symlink, a file that points to another repository, or a
    repository that takes objects from another one. A linked worktree is accepted if its repository points back to it, and a
    submodule if its repository is inside the repository of its superproject.
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
    _check_self_contained(place)
    return place


def _pointed_place(top: str, entry: str, depth: int) -> Place:
    """Return the repository that a `.git` file points to."""
    content = _pointer(entry)
    if not content.startswith("gitdir:"):
        raise GitError(f"{entry} is not a git file")
    git_dir = os.path.realpath(os.path.join(top, content.removeprefix("gitdir:").strip()))
    if os.path.basename(os.path.dirname(git_dir)) == "worktrees" and _points_back(git_dir, entry):
        common = os.path.dirname(os.path.dirname(git_dir))
        named = os.path.realpath(os.path.join(git_dir, _pointer(os.path.join(git_dir, "commondir")).strip()))
        if named == common:
            return Place(top=top, git_dir=git_dir, common_dir=common)
    elif _in_superproject(top, git_dir, depth):
        return Place(top=top, git_dir=git_dir, common_dir=git_dir)
    raise GitError(f"{entry} points to {git_dir}, which belongs to another directory: it does not point back")


def _points_back(git_dir: str, entry: str) -> bool:
    try:
        named = os.path.join(git_dir, _pointer(os.path.join(git_dir, "gitdir")).strip())
        return os.path.realpath(named) == entry
    except GitError:
        return False


def _in_superproject(top: str, git_dir: str, depth: int) -> bool:
    """Return whether this is the repository of a submodule: it is in `modules` of the repository above the working tree."""
    above = os.path.dirname(top)
    if above == top or depth >= _MAX_DEPTH or os.path.lexists(os.path.join(git_dir, "commondir")):
        return False
    superproject = find_place(above, depth + 1)
    if superproject is None:
        return False
    roots = {os.path.join(folder, "modules") for folder in (superproject.git_dir, superproject.common_dir)}
    return any(git_dir.startswith(root + os.sep) for root in roots)


def _check_self_contained(place: Place) -> None:
    """Raise GitError if a part of the repository is in another repository, or is not a file."""
    objects = os.path.join(place.common_dir, "objects")
    inside = (objects, os.path.join(objects, "pack"))
    for folder in dict.fromkeys((place.git_dir, place.common_dir, *inside)):
        try:
            with os.scandir(folder) as entries:
                links = [entry.name for entry in entries if entry.is_symlink()]
            if folder not in inside:  # other files, such as hooks, are not read and may be symlinks
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
                f"this repository uses objects of another repository ({alternates}); "
                "run `git repack -a -d` to copy them, then delete that file"
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


def unreadable_ignore_file(top: str) -> str | None:
    """Return a `.gitignore` in the first directories that git would wait for or never read to its end, or None."""
    for folder, _, names in islice(os.walk(top), _MAX_FOLDERS):
        if ".gitignore" not in names:
            continue
        path = os.path.join(folder, ".gitignore")
        try:
            facts = os.lstat(path)
        except OSError:
            continue
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _MAX_IGNORE_FILE:
            return path
    return None
