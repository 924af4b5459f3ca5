"""The real programs, and one way to run each as the gateway would: built by the plugin's hooks, in a world of the test's own."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from llm_gateway import (
    RUN_FILES,
    EndReason,
    Event,
    Failure,
    FinishedRun,
    NativeSessionId,
    Posture,
    Prompt,
    Request,
    Resume,
    RunEnd,
    Session,
    Summary,
    new_session_id,
)
from llm_gateway.dispatch.invocation import run_environment
from llm_gateway_provider_claude import plugin
from tests.real_clis.installing import FOLDER, install

if TYPE_CHECKING:
    from tests.conftest import ModelServer

RUN_S = 120.0


@pytest.fixture(scope="session")
def claude_cli() -> Path:
    """The real Claude Code at the pinned version. Skipped only where there is no npm, and never in CI."""
    if shutil.which("npm") is None and not (FOLDER / "claude").exists() and not os.environ.get("CI"):
        pytest.skip("npm is not installed")
    return install("claude")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run that is over."""

    events: Sequence[Event]
    summary: Summary
    failure: Failure | None
    code: int
    stderr: str
    seconds: float
    posture: Posture

    @property
    def text(self) -> str:
        """The answer."""
        return self.summary.text

    @property
    def error(self) -> str | None:
        """The code of the failure; None when the run ended well."""
        return self.failure.code if self.failure else None


@dataclass
class Running:
    """A run under way."""

    process: subprocess.Popen[bytes]
    request: Request
    posture: Posture
    resume: Resume
    begun: float = field(default_factory=time.monotonic)

    def finish(self) -> Outcome:
        """Wait for the end, and read it as the gateway would."""
        stdout, stderr = self.process.communicate(timeout=RUN_S)
        code = self.process.returncode
        seconds = time.monotonic() - self.begun
        end = RunEnd(
            reason=EndReason.EXITED,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            ended_at=datetime.now(timezone.utc),
        )
        reader = plugin.gateway_open_reader()
        events = [
            event for at in range(0, len(stdout), 65_536) for event in reader.feed("stdout", stdout[at:][:65_536])
        ]
        summary = reader.finish(end)
        tail = stderr.decode(errors="replace")[-8192:]
        run = FinishedRun(
            request=self.request, posture=self.posture, resume=self.resume, end=end, summary=summary, stderr_tail=tail
        )
        failure = plugin.gateway_explain_failure(run) if summary.failed or code else None
        return Outcome(
            events=events,
            summary=summary,
            failure=failure,
            code=code,
            stderr=tail,
            seconds=seconds,
            posture=self.posture,
        )


@dataclass
class ClaudeAgent:
    """Claude Code in a home, a configuration and a working directory of its own."""

    program: Path
    folder: Path
    environ: dict[str, str]

    @property
    def work(self) -> Path:
        """The working directory."""
        return self.folder / "work"

    def session(self, native_id: str) -> Session:
        """A gateway session bound to this conversation."""
        now = datetime.now(timezone.utc)
        return Session(
            id=new_session_id(),
            provider="claude",
            principal="local",
            working_dir=str(self.work),
            native_id=NativeSessionId(native_id),
            created_at=now,
            last_used_at=now,
        )

    def start(
        self, prompt: str | Prompt, posture: Posture = Posture.PROMPTED, *, after: str | None = None, **asked: Any
    ) -> Running:
        """Begin a run; `after`: the native id of the conversation to continue."""
        words = Prompt(text=prompt) if isinstance(prompt, str) else prompt
        request = Request(provider="claude", prompt=words, working_dir=str(self.work), **asked)
        resume = plugin.gateway_resume_session(session=self.session(after) if after else None)
        made = plugin.gateway_build_argv(request=request, posture=posture, resume=resume)
        files = self.folder / f"files-{len(list(self.folder.iterdir()))}"
        files.mkdir()
        for name, content in made.files.items():
            (files / name).write_bytes(content)
        stdin = files / "stdin"
        stdin.write_bytes(made.stdin or b"")
        allowed = plugin.gateway_describe_provider().env
        env = run_environment(self.environ, allowed=allowed, passed=(), fixed={}, added=made.env, depth=1)
        argv = [str(self.program), *(part.replace(RUN_FILES, str(files)) for part in made.argv[1:])]
        with open(stdin, "rb") as words_file:
            process = subprocess.Popen(
                argv,
                stdin=words_file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.work,
                env=env,
                start_new_session=True,
            )
        return Running(process=process, request=request, posture=posture, resume=resume)

    def ask(self, prompt: str | Prompt, posture: Posture = Posture.PROMPTED, **asked: Any) -> Outcome:
        """Run to the end."""
        return self.start(prompt, posture, **asked).finish()


@pytest.fixture
def claude(claude_cli: Path, model_server: ModelServer, tmp_path: Path) -> ClaudeAgent:
    """The real Claude Code, ready to be asked; it reaches nothing but the model server."""
    for name in ("work", "home", "config", "tmp"):
        (tmp_path / name).mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "CLAUDE_CONFIG_DIR": str(tmp_path / "config"),
        "ANTHROPIC_BASE_URL": model_server.url,
        "ANTHROPIC_API_KEY": "any",
    }
    return ClaudeAgent(program=claude_cli, folder=tmp_path, environ=environ)


class Bell:
    """A pipe with a name: what an agent's command says into it is heard at once."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.ring = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def wait(self, seconds: float = 60.0) -> str:
        """The words that came."""
        assert select.select([self.ring], [], [], seconds)[0], "nobody rang"
        return os.read(self.ring, 1000).decode().strip()


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[Bell]:
    """A bell for one test."""
    bell = Bell(tmp_path / "bell")
    yield bell
    os.close(bell.ring)
