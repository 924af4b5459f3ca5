"""The wall around a script that stands in for an agent, behind a gateway of the test's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_gateway_policy_wall.plugin import Wall
from llm_gateway_testing import GatewayFactory
from tests.real_clis.bubblewrap import path_with_bubblewrap
from tests.real_clis.signal_pipe import SignalPipe

WALL = ("policy", "wall", Wall)
#: The gateway's own interpreter is behind every wall.
ANSWER = f"""
echo '{{"type": "session", "id": "0a1b2c3d-0000-4000-8000-00000000abcd"}}'
{sys.executable} -c 'import json,sys; print(json.dumps({{"type": "result", "text": sys.stdin.read()}}))' < /tmp/said
"""


@pytest.fixture
def anyio_backend() -> str:
    """What runs the tests that wait."""
    return "asyncio"


class World:
    """A home with secrets, a working directory, and a program that does what a test says."""

    def __init__(self, factory: GatewayFactory, folder: Path) -> None:
        self.factory, self.folder = factory, folder
        self.work, self.home, self.bin = folder / "site", folder, folder / "bin"
        for place in (self.work, self.bin, folder / ".ssh"):
            place.mkdir()
        (folder / ".ssh" / "id").write_text("a-secret-word\n")

    def does(self, script: str) -> None:
        """What the agent does; all that it prints is its answer."""
        program = self.bin / "llm-gateway-echo"
        version = '[ "$1" = --version ] && echo 0.1.0 && exit'  # it is asked outside of the wall
        program.write_text(f"#!/bin/sh\n{version}\n{{ {script}\n}} > /tmp/said 2>&1\n{ANSWER}")
        program.chmod(0o755)

    async def ask(self, script: str, *, settings: str = "", **asked: Any) -> dict[str, Any]:
        """One request; what came of it."""
        self.does(script)
        settings = f"dedup_window_s = 0\n{settings}"  # each is a new request, in a directory that changes
        async with self.factory.open(WALL, settings=settings, programs=[self.bin]) as gateway:
            asked = {"workingDir": str(self.work), "posture": "bypass", **asked}
            return await self.factory.call(gateway, "echo_request", prompt="look", **asked)

    async def told(self, script: str, **more: Any) -> str:
        """What the agent said."""
        answer = await self.ask(script, **more)
        assert answer.get("status") == "completed", answer
        return str(answer["text"])


@pytest.fixture
def world(gateway_factory: GatewayFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The plugin looks at the environment of its process: it is that of the gateway."""
    path = path_with_bubblewrap()
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LLM_GATEWAY_HOME", str(gateway_factory.home))
    gateway_factory.environ["PATH"] = path
    return World(gateway_factory, tmp_path)


@pytest.fixture
def signal_pipe(world: World) -> Iterator[SignalPipe]:
    """A signal_pipe that the agent can ring."""
    signal_pipe = SignalPipe(world.work / "signal_pipe")
    yield signal_pipe
    os.close(signal_pipe.ring)
