"""Run the real program from the request to the summary, in a temporary home."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from llm_gateway import (
    RUN_FILES,
    EndReason,
    FinishedRun,
    Invocation,
    NativeSessionId,
    Posture,
    Prompt,
    Request,
    Resume,
    RunEnd,
    Summary,
)
from llm_gateway_provider_echo.options import EchoOptions
from llm_gateway_provider_echo.plugin import EchoProvider

PROVIDER = EchoProvider()
PROGRAM = Path(sys.executable).parent / "llm-gateway-echo"
EXITED = RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=datetime(2026, 1, 2, tzinfo=timezone.utc))


@dataclass(frozen=True, kw_only=True)
class Ran:
    """The output and exit code of a finished program."""

    code: int
    stdout: bytes
    stderr: str
    finished: FinishedRun

    @property
    def summary(self) -> Summary:
        return self.finished.summary


def read_back(output: bytes, *, pieces: int = 65536) -> Summary:
    reader = PROVIDER.open_reader(Request(provider="echo", prompt=Prompt(text=""), working_dir="/"))
    for start in range(0, len(output), pieces):
        list(reader.feed("stdout", output[start : start + pieces]))
    return reader.finish(EXITED)


class Echo:
    """The program, with a home in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = str(PROGRAM)
        self.home = folder / "echo-home"
        self.files = folder / "run-files"
        self.files.mkdir()
        self.env = {"LLM_GATEWAY_ECHO_HOME": str(self.home), "PATH": "/usr/bin:/bin"}

    def ask(
        self,
        prompt: str = "hello",
        *,
        resume: NativeSessionId | None = None,
        request: dict[str, Any] | None = None,
        **own: Any,
    ) -> Ran:
        """Run one request to its end; `own` are the options of the provider."""
        options = EchoOptions.model_validate(own)
        asked = Request(
            provider="echo", prompt=Prompt(text=prompt), options=options, working_dir=str(self.folder), **request or {}
        )
        way = Resume(native_id=resume or NativeSessionId(str(uuid4())), fresh=resume is None)
        invocation = PROVIDER.build_argv(asked, Posture.PROMPTED, way)
        done = self.run(*self.flags(invocation), stdin=invocation.stdin or b"")
        end = RunEnd(reason=EndReason.EXITED, exit_code=done.returncode, ended_at=EXITED.ended_at)
        stderr = done.stderr.decode()
        finished = FinishedRun(
            request=asked,
            posture=Posture.PROMPTED,
            resume=way,
            end=end,
            summary=read_back(done.stdout),
            stderr_tail=stderr[-8192:],
        )
        return Ran(code=done.returncode, stdout=done.stdout, stderr=stderr, finished=finished)

    def flags(self, invocation: Invocation) -> list[str]:
        """Write the files of the run, and return the flags with their paths."""
        for name, content in invocation.files.items():
            (self.files / name).write_bytes(content)
        return [word.replace(RUN_FILES, str(self.files)) for word in invocation.argv[1:]]

    def run(self, *flags: str, stdin: bytes = b"x") -> "subprocess.CompletedProcess[bytes]":
        """Run the program until it exits."""
        argv = [self.program, *flags]
        return subprocess.run(
            argv, check=False, input=stdin, capture_output=True, env=self.env, cwd=self.folder, timeout=60
        )


@pytest.fixture
def echo(tmp_path: Path) -> Echo:
    """Return the program with a new home."""
    return Echo(tmp_path)


@pytest.fixture
def start(echo: Echo) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start the program without waiting for it. After the test, running programs are killed."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*flags: str) -> "subprocess.Popen[bytes]":
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        argv = [echo.program, *flags]
        started.append(subprocess.Popen(argv, stdin=null, stdout=pipe, stderr=null, env=echo.env))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture(name="read_back")
def read_back_fixture() -> Callable[..., Summary]:
    """Return the summary that the reader gives for an output."""
    return read_back
