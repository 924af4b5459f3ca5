"""Artifacts: files of a run that are kept in the job's folder before the run's temporary files are deleted.

A shim also copies artifacts from outside the folder (a CLI's own record of the conversation), because its gateway named them. A
gateway that concludes a run without its shim has only the names in `spec.json`, which the agent may have changed. It takes only those
among the temporary files, and reads nothing outside the folder. Standard library and `llm_gateway.files` only.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from llm_gateway.files import open_directory, open_regular

from .folder import ARTIFACTS, FILES, Folder, open_inside, plain_parts
from .removing import remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 64 << 20  #: of one artifact
_MOST_PARTS = 10_000
_PIECE = 1 << 20


def keep_artifacts(folder: Folder, artifacts: list[str], run_files: str, cwd: str | None) -> None:
    """Put each artifact that exists into `artifacts/<number>`.

    :param run_files: the text that stands for the folder of temporary files.
    :param cwd: the base of relative paths. None: take only artifacts among the temporary files.
    """
    for number, artifact in enumerate(artifacts):
        with suppress(OSError, ValueError):  # a missing artifact, or one that is not a regular file, is empty
            if artifact.startswith(f"{run_files}/"):
                _keep_inside(folder, artifact.removeprefix(f"{run_files}/"), str(number))
            elif cwd is not None:
                _keep_outside(folder, os.path.join(cwd, artifact), str(number))


def read_artifact(folder: Folder, number: int) -> bytes:
    """The content of an artifact. Empty if it is missing or not a regular file."""
    try:
        place = open_directory(ARTIFACTS, dir_fd=folder.fd)
    except OSError:
        return b""
    try:
        with os.fdopen(open_inside(place, str(number), os.O_RDONLY), "rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return b""
    finally:
        os.close(place)


def _keep_inside(folder: Folder, path: str, number: str) -> None:
    *above, last = path.split("/")
    source = open_directory(FILES, dir_fd=folder.fd)
    try:
        for name in plain_parts("/".join(above)) if above else ():
            outer, source = source, open_directory(name, dir_fd=source)
            os.close(outer)
        if last != "*":
            _move(source, plain_parts(last)[0], folder, number)
            return
        with _created(folder, number) as whole:
            for name in sorted(os.listdir(source))[:_MOST_PARTS]:
                with suppress(OSError):  # a directory, or something planted
                    _append(open_inside(source, name, os.O_RDONLY), whole)
    finally:
        os.close(source)


def _keep_outside(folder: Folder, path: str, number: str) -> None:
    part = open_regular(path, follow=True)
    with _created(folder, number) as whole:
        _append(part, whole)


def _move(source: int, name: str, folder: Folder, number: str) -> None:
    """Move one file: this needs no space on a full disk, and a rename never follows a link."""
    found = open_inside(source, name, os.O_RDONLY)
    try:
        os.fchmod(found, 0o600)
    finally:
        os.close(found)
    place = _open_artifacts(folder)
    try:
        remove(place, number)
        os.rename(name, number, src_dir_fd=source, dst_dir_fd=place)
    finally:
        os.close(place)


@contextmanager
def _created(folder: Folder, number: str) -> Iterator[int]:
    """Create `artifacts/<number>`, open for writing."""
    place = _open_artifacts(folder)
    try:
        remove(place, number)
        file = open_inside(place, number, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            yield file
        finally:
            os.close(file)
    finally:
        os.close(place)


def _open_artifacts(folder: Folder) -> int:
    """Open the folder of artifacts. Creates it if it is missing or something else is in its place."""
    try:
        return open_directory(ARTIFACTS, dir_fd=folder.fd)
    except OSError:
        folder.remove(ARTIFACTS)
        os.mkdir(ARTIFACTS, 0o700, dir_fd=folder.fd)
        return open_directory(ARTIFACTS, dir_fd=folder.fd)


def _append(part: int, whole: int) -> None:
    """Append a file, up to MOST_BYTES in total. Closes `part`."""
    with os.fdopen(part, "rb") as source:
        room = MOST_BYTES - os.fstat(whole).st_size
        while room > 0 and (data := source.read(min(_PIECE, room))):
            room -= len(data)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(whole, rest) :]
