"""Clients over the real pipe that never read, flood, or end in the middle of a word."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.scenes import await_ends, check_ran_once, leave, open_all
from tests.chaos.world import World

PATIENCE_S = 60.0
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "hand", "version": "0"}}


class Client:
    """A client of `llm-gateway serve` that writes and reads bytes; every wait is bounded."""

    def __init__(self, world: World) -> None:
        serve = str(Path(sys.executable).with_name("llm-gateway"))
        with (world.folder / "stderr").open("ab") as log:
            self.process = subprocess.Popen(
                [serve, "serve"], env=world.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        assert self.process.stdin
        assert self.process.stdout
        self._in, self._out, self._rest = self.process.stdin.fileno(), self.process.stdout.fileno(), b""
        os.set_blocking(self._in, False)

    def write(self, data: bytes, patience_s: float = PATIENCE_S) -> int:
        """Write as much as is taken within the time; how much that was."""
        rest, deadline = memoryview(data), time.monotonic() + patience_s
        while rest and select.select([], [self._in], [], max(0, deadline - time.monotonic()))[1]:
            rest = rest[os.write(self._in, rest[:65536]) :]
        return len(data) - len(rest)

    def read(self) -> dict[str, Any]:
        """The next message."""
        while b"\n" not in self._rest:
            assert select.select([self._out], [], [], PATIENCE_S)[0], "no answer"
            data = os.read(self._out, 1 << 20)
            assert data, "the gateway has closed its end"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return dict(json.loads(line))

    def greet(self) -> None:
        self.write(frame("initialize", 0, **HELLO))
        assert self.read()["id"] == 0
        self.write(frame("notifications/initialized"))

    def memory_kb(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def end(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


def frame(method: str, number: int | None = None, **params: Any) -> bytes:
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return json.dumps(message if number is None else {**message, "id": number}).encode() + b"\n"


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    client = Client(world)
    yield client
    client.close()


def test_a_client_that_never_reads_loses_no_accepted_job_and_costs_little_memory(world: World, client: Client) -> None:
    client.greet()
    call = {"name": "echo_request_async", "arguments": {"prompt": "unread", "workingDir": str(world.work)}}
    client.write(frame("tools/call", 1, **call))
    assert client.read()["result"]["structuredContent"]["job"]["id"]
    before = client.memory_kb()
    lists = b"".join(frame("tools/list", number) for number in range(2, 20_000))
    taken = client.write(lists, patience_s=5)
    assert taken < len(lists), "it goes on reading what it cannot answer"
    assert client.memory_kb() - before < 64 * 1024
    client.process.kill()
    client.process.wait()
    (job,) = world.states()
    (gateway,) = open_all(world, 1)
    if world.states()[job] == "running":
        await_ends(world, [job])
    check_ran_once(world, gateway, job)
    leave(world, gateway)


def test_a_client_that_never_reads_and_goes_away_ends_its_gateway(client: Client) -> None:
    client.greet()
    client.write(b"".join(frame("tools/list", number) for number in range(1, 2000)), patience_s=2)
    assert client.process.stdout
    client.process.stdout.close()
    assert client.end() == 0


def test_a_flood_of_questions_is_answered_one_by_one(client: Client) -> None:
    client.greet()
    count, answered = 2000, set()
    flood = b"".join(frame("ping", number) for number in range(1, count + 1))
    for start in range(0, len(flood), 65536):
        client.write(flood[start : start + 65536])
    while len(answered) < count:
        answered.add(client.read()["id"])
    assert answered == set(range(1, count + 1))
    assert client.end() == 0


@pytest.mark.parametrize(
    "said", [b"", b"{", b'{"jsonrpc":"2.0","id":1,"method":"tools/ca'], ids=["none", "one", "half"]
)
def test_half_a_frame_and_the_end_starts_nothing_and_leaves_nothing(world: World, client: Client, said: bytes) -> None:
    if said:
        client.greet()
    call = {"name": "echo_request_async", "arguments": {"prompt": "half", "workingDir": str(world.work)}}
    client.write(frame("tools/call", 1, **call)[:-20] if len(said) > 1 else said)
    assert client.end() == 0
    assert not (world.home / "gateway.db").exists() or not world.states()
    assert not world.starts()
    world.await_silence()
