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
from llm_gateway_engine_local.process import PORTABLE, system
from llm_gateway_engine_local.shim.starter import Starter

sys.path.append(os.path.dirname(__file__))
import no_linux

PATIENCE_S = 30


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs Linux when the portable implementations are tested. `docs/limitations.md` names it."""
    if PORTABLE:
        left_out = [item for item in items if item.get_closest_marker("linux")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def _watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """With the portable implementations: nothing of this project may use what only Linux has."""
    if not PORTABLE:
        yield
        return
    ours = no_linux.VARIABLE not in os.environ  # else it is that of the chaos tests in the same session
    if ours:
        os.environ[no_linux.VARIABLE] = str(tmp_path_factory.mktemp("no_linux") / "uses")
    no_linux.forbid()
    no_linux.watch_starter()
    yield
    if ours:
        del os.environ[no_linux.VARIABLE]


@pytest.fixture(autouse=True)
def _no_linux(_watched: None) -> Iterator[None]:
    yield
    if PORTABLE:
        assert no_linux.uses() == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def no_agent_is_left(tmp_path: Path) -> Iterator[None]:
    """An agent's environment names no folder of the test, only its job, so the net under all suites cannot see it."""
    yield
    deadline = time.monotonic() + PATIENCE_S / 6
    jobs = {f"LLM_GATEWAY_JOB={job.name}" for job in tmp_path.glob("*/jobs/*")}
    for pid in _marked(jobs):
        _wait_gone(pid, max(0.0, deadline - time.monotonic()))
    assert not _marked(jobs), "the test left agents behind"


def _marked(jobs: set[str]) -> set[int]:
    return {pid for pid in system.pids() for job in jobs if system.has_variable(pid, job)} if jobs else set()


def _wait_gone(pid: int, seconds: float) -> None:
    if not hasattr(os, "pidfd_open"):
        import psutil

        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(seconds)
        return
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        select.select([fd], [], [], seconds)
        os.close(fd)


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
        await anyio.to_thread.run_sync(_wait_gone, pid, PATIENCE_S)
        assert not (found := system.stat_of(pid)) or found[1] == "Z"

    return gone
