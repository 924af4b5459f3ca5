"""Gateways of one home in processes of their own, and what they answer, in one thread and without waiting longer than told."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.chaos.refusals import Refusals
from tests.chaos.zygote import Forked, Zygote

DRIVER = str(Path(__file__).with_name("driver.py"))
PATIENCE_S = 60.0
Answer = dict[str, Any]


class Driven:
    """One gateway."""

    def __init__(
        self,
        env: Mapping[str, str],
        errors: Path,
        zygote: Zygote | None = None,
        under: Refusals | None = None,
        launcher: Sequence[str] = (),
    ) -> None:
        self.process: subprocess.Popen[bytes] | Forked
        with errors.open("ab") as log:
            if zygote:
                self.process = Forked(zygote, env, log.fileno())
            else:
                self.process = subprocess.Popen(
                    [*launcher, *(under.command if under else ()), sys.executable, DRIVER],
                    env=env,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    pass_fds=[under.theirs.fileno()] if under else [],
                )
        assert self.process.stdin
        assert self.process.stdout
        self._in, self.out = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self.out, False)
        self._rest = b""
        self._calls = 0
        self.ended = False
        self.events: dict[str, Answer] = {}
        self.answers: dict[int, tuple[Answer, float]] = {}  #: by the call's number: the answer, and when it came

    def open(self) -> None:
        """Let it open its home."""
        os.write(self._in, b"\n")

    def call(self, name: str, **arguments: Any) -> int:
        """Send a call; its number."""
        self._calls += 1
        assert self.process.stdin
        with suppress(BrokenPipeError):  # it is dead: nobody will answer
            if not self.process.stdin.closed:
                call = {"id": self._calls, "name": name, "arguments": arguments}
                os.write(self._in, json.dumps(call).encode() + b"\n")
        return self._calls

    def kill(self) -> None:
        """SIGKILL; its last answers can still be read."""
        self.process.kill()
        self.process.wait()

    def leave(self) -> None:
        """Go away as a client does."""
        assert self.process.stdin
        self.process.stdin.close()

    def await_end(self, patience_s: float) -> bool:
        """Wait until it has ended; whether it has."""
        return listen([self], lambda: self.ended, time.monotonic() + patience_s)

    def read(self) -> None:
        """Take in what it said."""
        try:
            data = os.read(self.out, 1 << 20)
        except BlockingIOError:
            return
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for message in map(json.loads, lines):
            if "event" in message:
                self.events[message["event"]] = message
            else:
                self.answers[message["id"]] = (message, time.monotonic())

    def close(self) -> None:
        """Make sure that nothing of it is left."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            with suppress(BrokenPipeError):
                pipe.close()


def listen(gateways: list[Driven], until: Callable[[], bool], deadline: float) -> bool:
    """Take in what gateways say until something holds (True) or the time has come (False)."""
    with selectors.DefaultSelector() as selector:
        for gateway in gateways:
            if not gateway.ended:
                selector.register(gateway.out, selectors.EVENT_READ, gateway)
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            for key, _ in selector.select(left):
                key.data.read()
                if key.data.ended:
                    selector.unregister(key.fd)
        return True


def await_message(gateway: Driven, number: int) -> tuple[Answer, float]:
    """Wait for the answer to a call, good or bad, and when it came."""
    come = listen([gateway], lambda: number in gateway.answers or gateway.ended, time.monotonic() + PATIENCE_S)
    assert come, f"no answer to call {number} after {PATIENCE_S:g} s"
    assert number in gateway.answers, f"the gateway died of call {number}"
    return gateway.answers[number]


def await_answer(gateway: Driven, number: int) -> tuple[Answer, float]:
    """Wait for the answer to a call; the result, and when it came. Fails for an error."""
    answer, at = await_message(gateway, number)
    assert "result" in answer, f"call {number}: {answer}"
    return answer["result"], at


def ask(gateway: Driven, name: str, **arguments: Any) -> tuple[Answer, float]:
    """Call and wait, as `await_answer`."""
    return await_answer(gateway, gateway.call(name, **arguments))


def answered(gateway: Driven, name: str, **arguments: Any) -> Answer:
    """Call, and have the answer, good or bad."""
    return await_message(gateway, gateway.call(name, **arguments))[0]


def refused(gateway: Driven, name: str, **arguments: Any) -> Answer:
    """Call, and have the error."""
    return dict(answered(gateway, name, **arguments)["error"])
