"""The handshake cache: answers a client's first questions while the gateway behind it is still being imported.

    handshake_cache.begin(environ)   # before anything heavy is imported; returns once the first answer is out, or there is nothing to say
    source = handshake_cache.take()  # the client's line, for the transport: what was not answered is read again, then the rest

It imports the standard library and what of the kernel is made of it alone, and knows only what the SDK path wrote down after an earlier start (`manifest.py`): the
results of the handshake and of the lists, for each protocol revision. Whatever else comes, or looks unusual in any way, is left
unread for the SDK, and so is everything after it. Nothing is guessed: without a manifest that fits, the handshake cache does nothing.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from binascii import crc32
from collections.abc import Mapping
from contextlib import suppress

from llm_gateway import config_file, home_directory
from llm_gateway.files import open_directory, open_regular, read_regular

#: Changes when the manifest's shape does.
SHAPE = 1
#: Questions of a client that has shaken hands; each has one answer, the same for everybody.
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
_LINE_LIMIT = 64 * 1024  #: longer than any line that the handshake cache answers
_CHUNK = 64 * 1024
_MANIFEST_LIMIT = 64 * 1024 * 1024
#: What tools, their texts and their schemas are made of.
_SOURCES = (".py", ".pyi", ".md", ".toml", ".json", ".sql")
_MOST_FILES = 20_000


def manifest_path(environ: Mapping[str, str]) -> str:
    """Where the manifest of this home lies. Raises ValueError where the home cannot be told."""
    return os.path.join(home_directory(environ), "handshake", "mcp.json")


def read_private(path: str) -> bytes | None:
    """Read a file that nobody but this user can have written; None: there is none.

    The home, the folder in it and the file must be this user's and open to nobody else: whoever can write there could answer in the
    gateway's place.
    """
    folder, name = os.path.split(path)
    try:
        home = os.open(os.path.dirname(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            place = open_directory(os.path.basename(folder), dir_fd=home)
            try:
                file = open_regular(name, dir_fd=place, alone=True)
                with open(file, "rb") as found:
                    trusted = all(_is_ours(os.fstat(descriptor)) for descriptor in (home, place, file))
                    return found.read(_MANIFEST_LIMIT) if trusted else None
            finally:
                os.close(place)
        finally:
            os.close(home)
    except OSError:
        return None


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def key(environ: Mapping[str, str], code: list[str] | None = None) -> list[str]:
    """What the answers depend on: the interpreter, the code, the settings; of variables' values only a checksum.

    :param code: what `installed_code` said; None: as it is now.
    """
    config = config_file(environ)
    named = sorted(f"{name}={value}" for name, value in environ.items() if name.startswith("LLM_GATEWAY_"))
    checksum = crc32("\0".join(named).encode("utf-8", "replace"))  # hashlib brings OpenSSL: 4 MB and 3 ms
    return [str(SHAPE), sys.version, sys.prefix, str(checksum), _facts(config), *(code or installed_code())]


def installed_code() -> list[str]:
    """Which code is installed. A distribution that is installed editable changes without a word: its files are looked at."""
    found: list[str] = []
    sources: set[str] = set()
    for folder in sys.path:
        if folder.endswith("-packages") and os.path.isdir(folder):
            with os.scandir(folder) as entries:
                seen = [(entry.name, entry.path) for entry in entries if entry.name.endswith((".dist-info", ".pth"))]
            infos = [path for name, path in seen if name.endswith(".dist-info")]
            found += sorted(map(_facts, infos))
            hooks = [path for name, path in seen if name.endswith(".pth")]
            sources.update(*map(_folders_of, hooks))
            if any(os.path.basename(path).startswith("__editable__") for path in hooks):  # no folder stands in these
                sources.update(*map(_editable_source, infos))
    if sources:
        found.append(_tree(sorted(sources)))
    return found


def _folders_of(hook: str) -> list[str]:
    """The folders that a .pth file adds to the module search path."""
    try:
        lines = read_regular(hook, most_bytes=_LINE_LIMIT).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if os.path.isabs(line.strip())]


def _editable_source(info: str) -> list[str]:
    """The source folder of a distribution that is installed editable."""
    from urllib.parse import unquote

    try:
        told = json.loads(read_regular(os.path.join(info, "direct_url.json"), most_bytes=_LINE_LIMIT))
        path = unquote(told["url"].partition("://")[2])
        return [path] if told["dir_info"]["editable"] and os.path.isabs(path) else []
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def _tree(folders: list[str]) -> str:
    """A checksum of the names, sizes and times of the files below these folders."""
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
        if len(files) > _MOST_FILES:
            return f"more than {_MOST_FILES} files, looked at {time.time_ns()}"  # fits nothing: no answer is taken from memory
    return f"{len(files)} files {crc32(chr(0).join(sorted(files)).encode('utf-8', 'replace'))}"


def _facts(path: str) -> str:
    try:
        seen = os.stat(path)
    except OSError:
        return path
    return f"{path} {seen.st_mtime_ns} {seen.st_size}"


class HandshakeCache:
    """Reads the client's first lines and answers what it can; then somebody else takes the line."""

    def __init__(self, read_fd: int, write_fd: int, results: Mapping[str, Mapping[str, str]]) -> None:
        self.fds = (read_fd, write_fd)
        self.replay = b""  #: lines that were answered and that whoever comes next must see again
        self.rest = b""  #: what was read and not answered
        self.answered: list[int | str] = []  #: ids in `replay`: their second answer is nobody's business
        self.version = ""  #: the revision that was agreed upon
        self._results = results
        self._ready = False  # the client has said that it is initialized
        self._wake = os.pipe()
        self._thread: threading.Thread | None = None

    def first(self) -> None:
        """Wait for the client's first line, answer it if possible, and go on answering in a thread."""
        if self._read() and self._work_off():
            self._thread = threading.Thread(target=self._go_on, name="handshake-cache", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Answer no more: from here on the line is the caller's. Blocking, for as long as an answer is being written."""
        os.write(self._wake[1], b".")
        if self._thread:
            self._thread.join()
        for fd in self._wake:
            os.close(fd)
        self._results = {}

    def _go_on(self) -> None:
        while self._read() and self._work_off():
            pass

    def _read(self) -> bool:
        """Read what comes; False when the input is over or somebody else takes it."""
        ready, _, _ = select.select([self.fds[0], self._wake[0]], [], [])
        if self._wake[0] in ready:
            return False
        try:
            data = os.read(self.fds[0], _CHUNK)
        except OSError:
            return False
        self.rest += data
        return bool(data)

    def _work_off(self) -> bool:
        """Answer the lines that are complete; False at the first one that is not the handshake cache's."""
        while b"\n" in self.rest:
            line, _, rest = self.rest.partition(b"\n")
            if not self._take(line):
                return False
            self.rest = rest
        return len(self.rest) < _LINE_LIMIT

    def _take(self, line: bytes) -> bool:
        said = _plain(line)
        if said is None:
            return False
        method, request_id, params = said
        if request_id is None:
            self._ready = method == "notifications/initialized" and bool(self.version) and not params
            return self._ready and self._keep(line)
        if method == "initialize":
            version = "" if self.version else _revision(params)
            if not version or not self._answer(request_id, self._results.get(version, {}).get(method)):
                return False
            self.version = version
            self.answered.append(request_id)
            return self._keep(line)
        if method == "ping":
            return self._answer(request_id, "{}" if self.version and not params else None)
        usual = self._ready and method in LISTS and params.keys() <= {"_meta"}
        return self._answer(request_id, self._results[self.version].get(method) if usual else None)

    def _keep(self, line: bytes) -> bool:
        self.replay += line + b"\n"
        return True

    def _answer(self, request_id: int | str, result: str | None) -> bool:
        if result is None:
            return False
        line = f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":{result}}}\n'.encode()
        try:
            while line:
                line = line[os.write(self.fds[1], line) :]
        except OSError:  # the client is gone; whoever comes next will notice as well
            return False
        return True


_MEMBERS = {"jsonrpc", "id", "method", "params"}


def _plain(line: bytes) -> tuple[str, int | str | None, dict[str, object]] | None:
    """Method, id and parameters of a message that has nothing unusual about it."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or message.keys() - _MEMBERS:
        return None
    method, request_id, params = message.get("method"), message.get("id"), message.get("params", {})
    usual = type(request_id) is int or (type(request_id) is str and _is_usual(request_id)) or "id" not in message
    return (method, request_id, params) if usual and isinstance(method, str) and isinstance(params, dict) else None


def _is_usual(text: str) -> bool:
    """Whether every writer of JSON spells it alike."""
    return len(text) <= 100 and text.isascii() and text.isprintable() and not set('"\\') & set(text)


def _revision(params: Mapping[str, object]) -> str:
    """The protocol revision that a handshake of the usual form asks for, or none."""
    client, version = params.get("clientInfo"), params.get("protocolVersion")
    if not isinstance(params.get("capabilities"), dict) or not isinstance(client, dict) or not isinstance(version, str):
        return ""
    named = isinstance(client.get("name"), str) and isinstance(client.get("version"), str)
    return version if named and "_meta" not in params else ""


_cache: HandshakeCache | None = None
_code: list[str] | None = None


def code_at_start() -> list[str] | None:
    """The code that this process has loaded: a file that was edited since then is not part of it. None: nobody has looked."""
    return _code


def begin(environ: Mapping[str, str]) -> None:
    """Take stdin and stdout, and answer the first question, if there is a manifest that fits; else touch nothing."""
    global _cache, _code  # noqa: PLW0603  # one process has one stdin
    _code = installed_code()
    try:
        manifest = json.loads(read_private(manifest_path(environ)) or b"null")
        if manifest["key"] != key(environ, _code):
            return
        results = manifest["results"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return
    _cache = HandshakeCache(*claim(), results)
    _cache.first()


def take() -> HandshakeCache | None:
    """The handshake cache that has begun, once; None: there is none."""
    global _cache
    taken, _cache = _cache, None
    return taken


def claim() -> tuple[int, int]:
    """Move the wire away from descriptors 0 and 1, for the rest of the process's life; where it is now.

    What plugins and child processes print goes to stderr, what they read is empty. Nothing is moved back at the end: a client
    that still listens must not be sent the last words of a shutdown.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):
            stream.flush()
    wire = (os.dup(0), os.dup(1))
    os.dup2(null, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # started without a stderr
        os.dup2(null, 1)
    os.close(null)
    return wire
