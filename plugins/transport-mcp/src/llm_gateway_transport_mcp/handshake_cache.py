"""The handshake cache answers a client's first requests while the gateway is still being imported.

    handshake_cache.start(environ)        # before anything heavy is imported; returns after the first answer
    cache = handshake_cache.take_over()   # for the transport: it continues to read where the cache stopped

It answers `initialize`, `ping` and the lists from a manifest that the SDK's server filled at an earlier start (`manifest.py`), for
each protocol revision. It leaves any other message, and everything after it, unread for the SDK. Without a manifest whose key
matches (`handshake_key.py`) it answers nothing. This module imports only the standard library and kernel modules that need only it.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from llm_gateway_transport_mcp.handshake_key import installed_code, key, manifest_path, program_states, read_private

#: Requests of an initialized client that have one answer, the same for every client.
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
_MESSAGE_LIMIT = 64 * 1024  #: longer than any message that the cache answers
_CHUNK = 64 * 1024


class HandshakeCache:
    """Reads the client's first messages and answers those it can; then the SDK's transport takes over."""

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        results: Mapping[str, Mapping[str, str]],
        programs: Sequence[str] = (),
    ) -> None:
        self.fds = (read_fd, write_fd)
        self.programs = tuple(programs)  #: the states of programs that the listed tools depend on
        self.replay = b""  #: messages that were answered, and that the SDK must read as well
        self.unread = b""  #: input that was read and not answered
        self.answered: list[int | str] = []  #: ids in `replay`: the SDK's answers to them must not be sent
        self.version = ""  #: the protocol revision of the handshake
        self._results = results
        self._initialized = False  # whether the client sent `notifications/initialized`
        self._stop_pipe = os.pipe()
        self._thread: threading.Thread | None = None

    def answer_first(self) -> None:
        """Wait for the client's first message, answer it if possible, and continue answering in a thread."""
        if self._read() and self._answer_complete_messages():
            self._thread = threading.Thread(target=self._answer_more, name="handshake-cache", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop answering. After this the caller owns the descriptors. Blocks while an answer is being written."""
        os.write(self._stop_pipe[1], b".")
        if self._thread:
            self._thread.join()
        for fd in self._stop_pipe:
            os.close(fd)
        self._results = {}

    def _answer_more(self) -> None:
        while self._read() and self._answer_complete_messages():
            pass

    def _read(self) -> bool:
        """Read the available input. Returns False if the input has ended or `stop` was called."""
        ready, _, _ = select.select([self.fds[0], self._stop_pipe[0]], [], [])
        if self._stop_pipe[0] in ready:
            return False
        try:
            data = os.read(self.fds[0], _CHUNK)
        except OSError:
            return False
        self.unread += data
        return bool(data)

    def _answer_complete_messages(self) -> bool:
        """Answer the complete messages. Returns False at the first message that the SDK must answer."""
        while b"\n" in self.unread:
            message, _, rest = self.unread.partition(b"\n")
            if not self._answer(message):
                return False
            self.unread = rest
        return len(self.unread) < _MESSAGE_LIMIT

    def _answer(self, line: bytes) -> bool:
        message = _parse_usual(line)
        if message is None:
            return False
        method, request_id, params = message
        if request_id is None:
            self._initialized = method == "notifications/initialized" and bool(self.version) and not params
            return self._initialized and self._keep(line)
        if method == "initialize":
            version = "" if self.version else _requested_revision(params)
            if not version or not self._send(request_id, self._results.get(version, {}).get(method)):
                return False
            self.version = version
            self.answered.append(request_id)
            return self._keep(line)
        if method == "ping":
            return self._send(request_id, "{}" if self.version and not params else None)
        usual = self._initialized and method in LISTS and params.keys() <= {"_meta"}
        return self._send(request_id, self._results[self.version].get(method) if usual else None)

    def _keep(self, line: bytes) -> bool:
        self.replay += line + b"\n"
        return True

    def _send(self, request_id: int | str, result: str | None) -> bool:
        if result is None:
            return False
        data = f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":{result}}}\n'.encode()
        try:
            while data:
                data = data[os.write(self.fds[1], data) :]
        except OSError:  # the client has closed the connection; the SDK's transport will notice this too
            return False
        return True


_MEMBERS = {"jsonrpc", "id", "method", "params"}


def _parse_usual(line: bytes) -> tuple[str, int | str | None, dict[str, object]] | None:
    """Return the method, id and parameters of a request or notification in its usual form; None for anything else."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or message.keys() - _MEMBERS:
        return None
    method, request_id, params = message.get("method"), message.get("id"), message.get("params", {})
    usual = type(request_id) is int or (type(request_id) is str and _is_plain(request_id)) or "id" not in message
    return (method, request_id, params) if usual and isinstance(method, str) and isinstance(params, dict) else None


def _is_plain(text: str) -> bool:
    """Return whether every JSON encoder writes this text in the same way."""
    return len(text) <= 100 and text.isascii() and text.isprintable() and not set('"\\') & set(text)


def _requested_revision(params: Mapping[str, object]) -> str:
    """Return the protocol revision that a handshake in its usual form requests, or an empty text."""
    client, version = params.get("clientInfo"), params.get("protocolVersion")
    if not isinstance(params.get("capabilities"), dict) or not isinstance(client, dict) or not isinstance(version, str):
        return ""
    named = isinstance(client.get("name"), str) and isinstance(client.get("version"), str)
    return version if named and "_meta" not in params else ""


_cache: HandshakeCache | None = None
_code: list[str] | None = None


def code_at_start() -> list[str] | None:
    """Return the installed code when this process started, without later edits. None: `start` was not called."""
    return _code


def start(environ: Mapping[str, str]) -> None:
    """Acquire stdin and stdout and answer the first request, if there is a manifest whose key matches; else do nothing."""
    global _cache, _code  # noqa: PLW0603  # one process has one stdin
    _code = installed_code()
    try:
        manifest = json.loads(read_private(manifest_path(environ)) or b"null")
        programs = program_states(manifest["searches"], environ)
        if manifest["key"] != key(environ, _code, programs):
            return
        results = manifest["results"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return
    _cache = HandshakeCache(*acquire_stdio(), results, programs)
    _cache.answer_first()


def take_over() -> HandshakeCache | None:
    """Return the cache that was started, once; None: there is none."""
    global _cache
    taken, _cache = _cache, None
    return taken


def acquire_stdio() -> tuple[int, int]:
    """Move the client's connection from descriptors 0 and 1 to new ones, for the rest of the process; return those.

    After this, output of plugins and child processes goes to stderr, and their stdin is empty. The descriptors are not moved back
    at the end, so that a connected client does not receive output that is printed during a shutdown.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):
            stream.flush()
    connection = (os.dup(0), os.dup(1))
    os.dup2(null, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # started without a stderr
        os.dup2(null, 1)
    os.close(null)
    return connection
