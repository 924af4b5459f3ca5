"""Find and read the instruction files of an agent's program, for `ProviderInfo.config_files` and `read_config`. Blocking."""

from __future__ import annotations

import hashlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from llm_gateway.file_cache import read_cached
from llm_gateway.files import read_regular
from llm_gateway.model.invocation import Notice

#: `@path` in an instruction file: the program reads that file too.
_IMPORT = re.compile(r"(?:^|(?<=\s))@([^\s`]+)")
_MOST_BYTES = 256 * 1024
_MOST_IMPORTS = 100


def in_parents(directory: str, names: Iterable[str]) -> list[str]:
    """Return the paths of these names in a directory and in each of its parents, starting with the directory."""
    names = list(names)
    found: list[str] = []
    here = os.path.abspath(directory)
    while True:
        found += [os.path.join(here, name) for name in names]
        above = os.path.dirname(here)
        if above == here:
            return found
        here = above


def with_imports(paths: Iterable[str], home: str) -> list[str]:
    """Return these files and all files that they import with `@path`, directly or indirectly; at most 100 imported files.

    :param home: replaces `~`.
    """
    found = dict.fromkeys(paths)
    waiting = deque(found)
    left = _MOST_IMPORTS
    while waiting and left > 0:
        path = waiting.popleft()
        for named in _imports_of(path):
            expanded = os.path.join(home, named[2:]) if named.startswith("~/") else named
            imported = os.path.normpath(os.path.join(os.path.dirname(path), expanded))
            if imported not in found and left > 0:
                left -= 1
                found[imported] = None
                waiting.append(imported)
    return list(found)


def _imports_of(path: str) -> list[str]:
    if not os.path.lexists(
        path
    ):  # most of them, on most machines: one call of the system instead of one for each folder
        return []
    try:
        text = read_regular(os.path.realpath(path), most_bytes=_MOST_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return []
    return imports_in(text)


def imports_in(text: str) -> list[str]:
    """Return the paths that a text imports with `@path`."""
    return [named.rstrip(".,;:)") for named in _IMPORT.findall(text)]


#: Bytes of all instruction files together that are passed on as text.
MOST_TEXT_BYTES = 256 * 1024
_MOST_DEPTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionFile:
    """A file that the CLI would read as instructions, if it exists."""

    path: str  #: absolute
    label: str = "project instructions"  #: what it is, for the model
    #: The directory, links resolved, that its content must lie in; a link out of it is not followed. Empty: the user's own file.
    within: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """The instruction files that exist, in the order in which they were named; each is followed by what it imports."""

    files: tuple[str, ...] = ()  #: their paths
    text: str = field(default="", repr=False)  #: their contents, each under a line with its path
    digest: str = ""  #: of paths and contents; empty without files
    notices: tuple[Notice, ...] = ()


def repository_files(directory: str, repository: str, names: Iterable[str], label: str) -> list[InstructionFile]:
    """Return the files of these names in a directory and in each of its parents, the outermost directory first.

    :param directory: absolute, links resolved.
    :param repository: the top of its repository. Files above it must not be links to other directories, either.
    """
    names, folders = list(names), [directory]
    while os.path.dirname(folders[-1]) != folders[-1]:
        folders.append(os.path.dirname(folders[-1]))
    return [
        InstructionFile(path=os.path.join(folder, name), label=label, within=_within(folder, repository))
        for folder in reversed(folders)
        for name in names
    ]


def _within(folder: str, repository: str) -> str:
    return repository if folder == repository or _is_in(folder, repository) else folder


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def read_instructions(
    files: Iterable[InstructionFile],
    *,
    home: str = "",
    imports: bool = True,
    passed_on: bool = True,
    edit: Callable[[str, str], str | None] | None = None,
) -> Instructions:
    """Read instruction files. Blocking. A file that is missing or cannot be read is left out.

    :param home: replaces `~` in imports.
    :param imports: whether `@path` in a file imports that file: a file of a repository only from inside of it.
    :param passed_on: the text is given to the CLI, so links out of the repository are left out. False: the CLI reads the files
        itself, so the notice says that it follows the link.
    :param edit: called with path and text; returns the text that counts, or None if the file does not apply.
    """
    collected = _Collected(home=home, imports=imports, passed_on=passed_on, edit=edit)
    for file in files:
        collected.add(file, depth=0)
    return collected.result()


class _Collected:
    def __init__(
        self, *, home: str, imports: bool, passed_on: bool, edit: Callable[[str, str], str | None] | None
    ) -> None:
        self._home, self._imports, self._passed_on, self._edit = home, imports, passed_on, edit
        self._seen: set[str] = set()
        self._texts: list[tuple[InstructionFile, str]] = []
        self._bytes_left = MOST_TEXT_BYTES
        self._linked: list[str] = []
        self._too_large: list[str] = []

    def add(self, file: InstructionFile, depth: int) -> None:
        real = os.path.realpath(file.path)
        if not os.path.lexists(file.path) or real in self._seen or not self._may_read(file, real):
            return
        self._seen.add(real)
        text = self._read(file, real)
        if not text.strip():
            return
        self._texts.append((file, text))
        if self._imports and depth < _MOST_DEPTH:
            for named in imports_in(text):
                self.add(self._imported(file, named), depth + 1)

    def _may_read(self, file: InstructionFile, real: str) -> bool:
        if not file.within or _is_in(real, file.within):
            return True
        if not _is_in(file.path, file.within):  # an import from elsewhere, which needs a person's yes in the CLI, too
            return False
        self._linked.append(file.path)
        return not self._passed_on

    def _read(self, file: InstructionFile, real: str) -> str:
        try:
            # The path is free of links now. If one is put there meanwhile, it is not followed.
            text = read_cached(real, _decoded, most_bytes=MOST_TEXT_BYTES)
            if self._edit is not None:
                text = self._edit(file.path, text) or ""
            size = len(text.encode("utf-8", "surrogatepass"))
            if size > self._bytes_left:
                raise ValueError("too large")
        except OSError:
            return ""
        except ValueError:
            self._too_large.append(file.path)
            return ""
        self._bytes_left -= size
        return text

    def _imported(self, file: InstructionFile, named: str) -> InstructionFile:
        path = os.path.join(self._home, named[2:]) if named.startswith("~/") and self._home else named
        path = os.path.normpath(os.path.join(os.path.dirname(file.path), path))
        return replace(file, path=path)

    def result(self) -> Instructions:
        digest = hashlib.sha256()
        for file, text in self._texts:
            digest.update(f"{file.path}\0{len(text)}\0{text}".encode("utf-8", "surrogatepass"))
        shown = [f"Contents of {file.path} ({file.label}):\n\n{text.strip()}" for file, text in self._texts]
        return Instructions(
            files=tuple(file.path for file, _ in self._texts),
            text="\n\n".join(shown),
            digest=digest.hexdigest() if self._texts else "",
            notices=tuple(self._notices()),
        )

    def _notices(self) -> Iterator[Notice]:
        if self._linked:
            what = "it was left out" if self._passed_on else "the agent's program follows it"
            message = f"An instruction file is a link out of the repository: {', '.join(self._linked)}; {what}."
            yield Notice(code="instruction_link", message=message, details={"files": self._linked})
        if self._too_large and self._passed_on:
            message = (
                f"Instruction files were left out, because all together may have {MOST_TEXT_BYTES:,} bytes: "
                f"{', '.join(self._too_large)}."
            )
            yield Notice(code="instructions_too_large", message=message, details={"files": self._too_large})


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")
