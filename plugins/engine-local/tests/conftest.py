"""Real processes, small scripts as agents, and a look afterwards whether anything is left of them."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from llm_gateway.model.engine import RunSpec
from llm_gateway.model.ids import JobId, new_job_id
from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_engine_local.process import PORTABLE
from llm_gateway_engine_local.shim.starter import Starter

PATIENCE_S = 30


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Linux when the portable implementations are tested. `docs/limitations.md` names it."""
    if PORTABLE:
        left_out = [item for item in items if item.get_closest_marker("linux")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def no_agent_is_left(tmp_path: Path) -> Iterator[None]:
    """An agent's environment names no folder of the test, only its job, so the net under all suites cannot see it."""
    yield
    deadline = time.monotonic() + PATIENCE_S / 6
    jobs = {b"LLM_GATEWAY_JOB=" + os.fsencode(job.name) for job in tmp_path.glob("*/jobs/*")}
    for pid in _marked(jobs):
        with suppress(ProcessLookupError):
            fd = os.pidfd_open(pid)
            select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            os.close(fd)
    assert not _marked(jobs), "the test left agents behind"


def _marked(jobs: set[bytes]) -> set[int]:
    found = set()
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with suppress(OSError):  # gone, or another user's
            if jobs & set(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")):
                found.add(pid)
    return found


@pytest.fixture
def play(home: Path) -> Callable[..., Any]:
    """Run an async scene with an open engine."""

    def play(scene: Callable[[LocalEngine], Awaitable[Any]], **options: Any) -> Any:
        async def main() -> Any:
            engine = LocalEngine(home, **options)
            await engine.aopen()
            try:
                with anyio.fail_after(PATIENCE_S):
                    return await scene(engine)
            finally:
                await engine.aclose()

        return anyio.run(main)

    return play


@pytest.fixture(params=["fork_server", "alone"])
def starter(request: pytest.FixtureRequest) -> Starter:
    """Both ways in which shims are started."""
    return Starter(fork_server=request.param == "fork_server")


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., RunSpec]:
    """A run of a piece of Python (`py`), shell (`sh`) or any argv."""

    def make(*, py: str = "", sh: str = "", **changes: Any) -> RunSpec:
        argv = (sys.executable, "-I", "-S", "-u", "-c", py) if py else ("/bin/sh", "-c", sh)
        values: dict[str, Any] = {
            "job_id": new_job_id(),
            "argv": argv,
            "cwd": str(tmp_path),
            "env": {"PATH": "/usr/bin:/bin"},
            "timeout_s": 60.0,
            "output_bytes": 1 << 20,
        }
        return RunSpec(**{**values, **changes})

    return make


@pytest.fixture
def saw() -> Callable[..., Awaitable[bytes]]:
    """Wait until a run has said something."""

    async def saw(engine: LocalEngine, job_id: JobId, text: bytes) -> bytes:
        output = b""
        async for _ in engine.changes(job_id):
            output = engine.read_output(job_id, "stdout", 0, 1 << 20)
            if text in output and output.endswith(b"\n"):
                break
        assert text in output
        return output

    return saw


@pytest.fixture
def gone() -> Callable[[int], Awaitable[None]]:
    """Wait until a process is dead."""

    async def gone(pid: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            with anyio.fail_after(PATIENCE_S):
                await anyio.wait_readable(fd)
        finally:
            os.close(fd)

    return gone
