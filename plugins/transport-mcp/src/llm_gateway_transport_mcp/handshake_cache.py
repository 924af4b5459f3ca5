"""The handshake cache serves a client until a request needs the gateway, without importing the gateway or the SDK.

    handshake_cache.start(environ)        # before anything heavy is imported; returns when a gateway is needed, or the client leaves
    cache = handshake_cache.take_over()   # for the transport: it continues to read where the cache stopped

It answers `initialize`, `ping` and the lists of every handshake revision: from the prebuilt listing of this package (`prebuilt.py`),
or else from the manifest that an earlier start stored in the home (`stored.py`). It leaves any other message, and everything after
it, unread. Between messages it checks whether a program appeared and whether work of an ended gateway waits. If neither listing
applies, it answers nothing. This module imports only the standard library and kernel modules that need only it.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from contextlib import suppress

from llm_gateway_transport_mcp.handshake_key import installed_code
from llm_gateway_transport_mcp.prebuilt import LISTS, find_prebuilt
from llm_gateway_transport_mcp.stored import find_stored
from llm_gateway_transport_mcp.usual import has_usual_meta, parse_usual, requests_handshake

TYPE_CHECKING = False  # without importing `typing`: the first answer of `serve` waits for this module
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from llm_gateway_transport_mcp.usual import Message

    class Answers(Protocol):
        """What the cache answers from."""

        programs: list[str]  #: the states of programs that the lists depend on, as of the last `look`
        follows_programs: (
            bool  #: whether the lists change with the programs; if not, a gateway is needed after a change
        )
        needs_gateway: bool  #: whether a gateway is needed as soon as the client is quiet

        def look(self) -> bool:
            """Search the programs; return whether one appeared or disappeared."""

        def result(self, method: str, version: str) -> str | None:
            """Return the result of a request as JSON text; None: it has none for this method and revision."""


#: Revisions with a handshake, as in the SDK (a test compares them). A client that requests another one gets the last.
REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
#: How long the connection must be quiet before the first check, how often programs are searched, and how often work is searched.
QUIET_S, LOOK_EVERY_S, WORK_EVERY_S = 0.5, 2.0, 5.0
_MESSAGE_LIMIT = 64 * 1024  #: longer than any message that the cache answers
_CHUNK = 64 * 1024
#: Notifies the client that the list of tools has changed.
CHANGED = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'


class HandshakeCache:
    """Serves the client from its first message until a gateway is needed; then the transport takes over."""

    def __init__(self, read_fd: int, write_fd: int, answers: Answers, work_waits: Callable[[], bool]) -> None:
        """Make it.

        :param work_waits: whether work of an ended gateway waits, so that a gateway is needed without a request.
        """
        self.fds = (read_fd, write_fd)
        self.replay = b""  #: messages that were answered, and that the SDK must read as well
        self.unread = b""  #: input that was read and not answered
        self.answered: list[int | str] = []  #: ids in `replay`: the SDK's answers to them must not be sent
        self.version = ""  #: the protocol revision of the handshake
        self.can_be_asked = False  #: whether the client has declared that it answers questions or lists its roots
        self.answers = answers
        self._work_waits = work_waits
        self._initialized = False  # whether the client sent `notifications/initialized`
        self._look_at = self._work_at = 0.0

    @property
    def has_greeted(self) -> bool:
        """Whether the handshake is complete: the client has confirmed it."""
        return self._initialized

    @property
    def programs(self) -> list[str]:
        """The states of programs on which the listed tools depend."""
        return self.answers.programs

    def serve(self) -> bool:
        """Serve until the client closes its end (True), or until a gateway is needed (False)."""
        wait_s = QUIET_S
        while self._answer_complete_messages():
            ready, _, _ = select.select([self.fds[0]], [], [], wait_s)
            if ready:
                data = _read(self.fds[0])
                if not data:
                    return not self.unread.strip()
                self.unread += data
            elif self._needs_gateway():
                return False
            wait_s = QUIET_S if ready else LOOK_EVERY_S
        return self._is_closed

    _is_closed = False

    def _needs_gateway(self) -> bool:
        """Check programs and waiting work, each at its interval."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            if self.answers.look() and (not self.answers.follows_programs or not self._report_change()):
                return True
        if now >= self._work_at:
            self._work_at = now + WORK_EVERY_S
            return self._work_waits()
        return False

    def _report_change(self) -> bool:
        return not self._initialized or self._write(CHANGED)

    def _answer_complete_messages(self) -> bool:
        """Answer the complete messages. Returns False at the first message that the gateway must answer."""
        while b"\n" in self.unread:
            line, _, rest = self.unread.partition(b"\n")
            message = parse_usual(line)
            if message is None or not self._answer(message, line):
                return False
            self.unread = rest
        return len(self.unread) < _MESSAGE_LIMIT

    def _answer(self, message: Message, line: bytes) -> bool:
        method, request_id, params = message
        if request_id is None:
            if method != "notifications/initialized" or not self.version or params:
                return False
            self._initialized = True
            return self._keep(line)
        if method == "initialize":
            return not self.version and self._greet(request_id, params, line)
        if method == "ping":
            return bool(self.version) and not params and self._send(request_id, "{}")
        if not self._initialized or method not in LISTS or params.keys() - {"_meta"} or not has_usual_meta(params):
            return False
        return self._send(request_id, self.answers.result(method, self.version))

    def _greet(self, request_id: int | str, params: Mapping[str, Any], line: bytes) -> bool:
        requested = requests_handshake(params)
        version = requested if requested in REVISIONS else REVISIONS[-1]
        if not requested or not self._send(request_id, self.answers.result("initialize", version)):
            return False
        self.version = version
        self.can_be_asked = not {"roots", "elicitation"}.isdisjoint(params["capabilities"])
        self.answered.append(request_id)
        return self._keep(line)

    def _keep(self, line: bytes) -> bool:
        self.replay += line + b"\n"
        return True

    def _send(self, request_id: int | str, result: str | None) -> bool:
        if result is None:
            return False
        return self._write(f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":{result}}}\n'.encode())

    def _write(self, data: bytes) -> bool:
        try:
            while data:
                data = data[os.write(self.fds[1], data) :]
        except OSError:  # the client has closed the connection
            self._is_closed = True
            return False
        return True


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError:
        return b""


class _Ended(BaseException):
    """A signal asks the process to end."""


def _serve_until_signal(cache: HandshakeCache) -> bool:
    """Serve; return whether the process must end. SIGINT and SIGTERM end it, also while the client does not read."""
    import signal

    def end(_number: int, _frame: object) -> None:
        raise _Ended

    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        before = [signal.signal(number, end) for number in signals]
        try:
            return cache.serve()
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)
    except _Ended:
        return True


_cache: HandshakeCache | None = None
_code: list[str] | None = None


def code_at_start() -> list[str] | None:
    """Return the installed code when this process started, without later edits. None: the manifest was not read."""
    return _code


def start(environ: Mapping[str, str]) -> bool:
    """Acquire stdin and stdout and serve the client, if it can be answered without a gateway; else do nothing.

    Returns whether the client has left, or a signal arrived, so that the process must end.
    """
    global _cache, _code  # noqa: PLW0603  # one process has one stdin
    answers: Answers | None = None
    with suppress(OSError, ValueError):
        answers = find_prebuilt(environ)
    if answers is None:
        _code = installed_code()
        answers = find_stored(environ, _code)
    if answers is None:
        return False
    _cache = HandshakeCache(*acquire_stdio(), answers, _work_check(environ, answers))
    return _serve_until_signal(_cache)


def _work_check(environ: Mapping[str, str], answers: Answers) -> Callable[[], bool]:
    """Return the check for waiting work. It is imported by the first check, after the first answers."""
    checks: list[Callable[[], bool]] = []

    def work_waits() -> bool:
        if answers.needs_gateway:
            return True
        if not checks:
            from llm_gateway.before_opening import WaitingWork

            checks.append(WaitingWork(environ).exists)
        return checks[0]()

    return work_waits


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
