"""The manifest file of the handshake cache, and the key of everything that its answers depend on.

This module imports only the standard library and kernel modules that need only it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from binascii import crc32
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from llm_gateway import config_file, find_installed, home_directory
from llm_gateway.files import open_directory, open_regular, read_regular

#: Changes when the manifest's format does.
FORMAT = 3
_MANIFEST_LIMIT = 64 * 1024 * 1024
_TEXT_LIMIT = 64 * 1024  #: for `.pth` and `direct_url.json` files
#: Extensions of files that tools, their descriptions and their schemas are made from.
_SOURCES = (".py", ".pyi", ".md", ".toml", ".json", ".sql")
_MOST_FILES = 20_000


def manifest_path(environ: Mapping[str, str]) -> str:
    """Return the path of this home's manifest. Raises ValueError if the home cannot be determined."""
    return os.path.join(home_directory(environ), "handshake", "mcp.json")


def old_manifest_path(environ: Mapping[str, str]) -> str:
    """Return the path that the manifest had in earlier versions."""
    return os.path.join(home_directory(environ), "front", "mcp.json")


def read_private(path: str) -> bytes | None:
    """Read a file that only this user can have written; None if there is no such file.

    The home, the folder in it and the file must belong to this user and be closed to all others: any process that can write there
    could choose the gateway's answers.
    """
    folder, name = os.path.split(path)
    try:
        home = os.open(os.path.dirname(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            directory = open_directory(os.path.basename(folder), dir_fd=home)
            try:
                file = open_regular(name, dir_fd=directory, alone=True)
                with open(file, "rb") as manifest:
                    trusted = all(_is_private(os.fstat(descriptor)) for descriptor in (home, directory, file))
                    return manifest.read(_MANIFEST_LIMIT) if trusted else None
            finally:
                os.close(directory)
        finally:
            os.close(home)
    except OSError:
        return None


def _is_private(facts: os.stat_result) -> bool:
    return facts.st_uid == os.geteuid() and not facts.st_mode & 0o077


def key(environ: Mapping[str, str], code: Sequence[str] | None = None, programs: Iterable[str] = ()) -> list[str]:
    """Return what the answers depend on: the interpreter, the code, the settings, and which programs are present.

    It contains only a checksum of the values of environment variables.

    :param code: the result of `installed_code`; None: call it now.
    :param programs: the result of `program_states`.
    """
    config = config_file(environ)
    named = sorted(f"{name}={value}" for name, value in environ.items() if name.startswith("LLM_GATEWAY_"))
    checksum = crc32("\0".join(named).encode("utf-8", "replace"))  # hashlib loads OpenSSL: 4 MB and 3 ms
    installed = installed_code() if code is None else code
    return [str(FORMAT), sys.version, sys.prefix, str(checksum), _facts(config), *installed, *programs]


def program_states(searches: Iterable[Sequence[str]], environ: Mapping[str, str]) -> list[str]:
    """Search for programs, and return one line for each. The list of tools depends on the programs that are found.

    :param searches: the name of each program, then the folders of its own installer.
    """
    states = {}
    for name, *folders in searches:
        search = (name, *folders)
        states[search] = bool(name) and find_installed(name, environ, folders) is not None
    return state_lines(states)


def state_lines(states: Mapping[tuple[str, ...], bool]) -> list[str]:
    """Return the same lines for an earlier search: (name, *folders) -> whether it was found."""
    return sorted(f"{'present' if found else 'absent'} {json.dumps(search)}" for search, found in states.items())


def installed_code() -> list[str]:
    """Return a list that identifies the installed code. For an editable distribution it includes the state of its files."""
    found: list[str] = []
    sources: set[str] = set()
    for folder in sys.path:
        if folder.endswith("-packages") and os.path.isdir(folder):
            with os.scandir(folder) as entries:
                named = [(entry.name, entry.path) for entry in entries if entry.name.endswith((".dist-info", ".pth"))]
            infos = [path for name, path in named if name.endswith(".dist-info")]
            found += sorted(map(_facts, infos))
            pth_files = [path for name, path in named if name.endswith(".pth")]
            sources.update(*map(_folders_of, pth_files))
            # The .pth files of setuptools name no folder.
            if any(os.path.basename(path).startswith("__editable__") for path in pth_files):
                sources.update(*map(_editable_source, infos))
    if sources:
        found.append(_tree(sorted(sources)))
    return found


def _folders_of(pth_file: str) -> list[str]:
    """Return the folders that a .pth file adds to the module search path."""
    try:
        lines = read_regular(pth_file, most_bytes=_TEXT_LIMIT).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if os.path.isabs(line.strip())]


def _editable_source(info: str) -> list[str]:
    """Return the source folder of a distribution that is installed editable."""
    from urllib.parse import unquote

    try:
        origin = json.loads(read_regular(os.path.join(info, "direct_url.json"), most_bytes=_TEXT_LIMIT))
        path = unquote(origin["url"].partition("://")[2])
        return [path] if origin["dir_info"]["editable"] and os.path.isabs(path) else []
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _tree(folders: list[str]) -> str:
    """Return a checksum of the names, sizes and times of the files below these folders."""
    files: list[str] = []
    left = folders[:]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith((".", "__pycache__", "node_modules")):
                        left.append(entry.path)
                elif entry.name.endswith(_SOURCES):
                    files.append(_facts(entry.path))
        if len(files) > _MOST_FILES:  # matches no other key, so no answer is taken from the manifest
            return f"more than {_MOST_FILES} files, looked at {time.time_ns()}"
    return f"{len(files)} files {crc32(chr(0).join(sorted(files)).encode('utf-8', 'replace'))}"


def _facts(path: str) -> str:
    try:
        facts = os.stat(path)
    except OSError:
        return path
    return f"{path} {facts.st_mtime_ns} {facts.st_size}"
