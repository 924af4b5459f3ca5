"""An imitated program does what its arguments say, and the fixtures work as documented."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

import llm_gateway_testing
from llm_gateway import hookimpl
from llm_gateway_testing import GatewayFactory, ProgramBuilder


def start(path: Path, *flags: str) -> subprocess.Popen[str]:
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen([path, *flags], stdin=null, stdout=pipe, stderr=pipe, text=True)


def test_every_public_name_can_be_imported() -> None:
    for name in llm_gateway_testing.__all__:
        assert getattr(llm_gateway_testing, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = llm_gateway_testing.Nothing


def test_a_program_prints_its_lines_and_records_how_it_was_called(make_program: ProgramBuilder) -> None:
    program = make_program("mine", "größer", {"type": "ü"}, stderr="oh", exit_code=3)
    done = subprocess.run([program.path, "--flag"], input="text", capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ('größer\n{"type": "ü"}\n', "oh", 3)
    (run,) = program.runs()
    assert (run.argv, run.stdin) == (["--flag"], "text")


def test_a_program_waits_until_the_test_calls_go(make_program: ProgramBuilder) -> None:
    program = make_program("mine", "first", "last", waits=True)
    with start(program.path) as process:
        program.await_waiting()
        assert process.poll() is None
        program.go()
        assert process.communicate(timeout=30)[0] == "first\nlast\n"


def test_a_program_can_ignore_sigterm(make_program: ProgramBuilder) -> None:
    program = make_program("mine", "up", hangs=True, ignores=("SIGTERM",))
    with start(program.path) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL


class Listener:
    """An extension that records changes of jobs."""

    def __init__(self) -> None:
        self.states: list[str] = []

    @hookimpl
    def gateway_job_changed(self, job: object) -> None:
        self.states.append(job.state.value)  # type: ignore[attr-defined]  # a Job


@pytest.mark.anyio
async def test_a_gateway_opens_with_a_plugin_of_the_test(gateway_factory: GatewayFactory) -> None:
    listener = Listener()
    async with gateway_factory.open(("extension", "listener", listener)) as gateway:
        answer = await gateway_factory.call(gateway, "echo_request", prompt="hello")
        refused = await gateway_factory.call(gateway, "echo_request", prompt=" ")
    assert answer["text"] == "echo: hello"
    assert refused["error"]["code"] == "invalid_request"
    assert listener.states == ["running", "completed"]


@pytest.mark.anyio
async def test_running_jobs_are_canceled_when_the_gateway_closes(gateway_factory: GatewayFactory) -> None:
    async with gateway_factory.open() as gateway:
        started = await gateway_factory.call(gateway, "echo_request_async", prompt="x", scenario="hang")
    assert started["job"]["status"] == "running"


@pytest.mark.anyio
async def test_a_plugin_that_cannot_be_loaded_fails_the_test(gateway_factory: GatewayFactory) -> None:
    with pytest.raises(AssertionError, match="extension:empty: it implements no hook"):
        async with gateway_factory.open(("extension", "empty", object())):
            pass


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
