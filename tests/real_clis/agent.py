"""One way to run any real program as the gateway would: built by its plugin's hooks, in a world of the test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from llm_gateway import (
    RUN_FILES,
    EndReason,
    Event,
    Failure,
    FinishedRun,
    Invocation,
    NativeSessionId,
    Notice,
    Posture,
    Prompt,
    ProviderInfo,
    Request,
    Resume,
    RunEnd,
    Session,
    Summary,
    new_session_id,
)
from llm_gateway.planning.configuration import ConfigReader
from llm_gateway.planning.invocation import RunEnvironments
from llm_gateway.planning.surroundings import BoundedThreads
from llm_gateway.plugins import PluginHost
from llm_gateway.settings import Settings, load_settings
from tests.busy import PATIENCE_S, idle_clock


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run that is over."""

    events: Sequence[Event]
    summary: Summary
    failure: Failure | None
    code: int
    stderr: str
    seconds: float  #: as they would be on an idle machine
    posture: Posture
    notices: Sequence[Notice] = ()  #: of the configuration and the command

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

    agent: RealAgent
    process: subprocess.Popen[bytes]
    request: Request
    posture: Posture
    resume: Resume
    invocation: Invocation
    files: Path
    started_at: datetime
    notices: Sequence[Notice] = ()
    begun: float = field(default_factory=idle_clock)

    def finish(self) -> Outcome:
        """Wait for the end, and read it as the gateway would."""
        code = self.process.wait(timeout=PATIENCE_S)
        seconds = idle_clock() - self.begun
        stdout, stderr = ((self.files / name).read_bytes() for name in ("stdout", "stderr"))
        paths = {path: Path(path.replace(RUN_FILES, str(self.files))) for path in self.invocation.artifacts}
        end = RunEnd(
            reason=EndReason.EXITED,
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            started_at=self.started_at,
            ended_at=datetime.now(timezone.utc),
            stdout_bytes=len(stdout),
            stderr_bytes=len(stderr),
            artifacts={path: _content(where) for path, where in paths.items()},
        )
        host, name = self.agent.host, self.agent.name
        reader = host.open_reader(name, self.request)
        events = [
            event
            for stream, data in (("stderr", stderr), ("stdout", stdout))
            for at in range(0, len(data), 65_536)
            for event in reader.feed(stream, data[at:][:65_536])
        ]
        summary = reader.finish(end)
        tail = stderr.decode(errors="replace")[-8192:]
        run = FinishedRun(
            request=self.request, posture=self.posture, resume=self.resume, end=end, summary=summary, stderr_tail=tail
        )
        failure = host.explain_failure(name, run) if summary.failed or code else None
        return Outcome(
            events=events,
            summary=summary,
            failure=failure,
            code=code,
            stderr=tail,
            seconds=seconds,
            posture=self.posture,
            notices=self.notices,
        )


def _content(path: Path) -> bytes:
    """An artifact, as an engine hands it over."""
    found = sorted(path.parent.iterdir()) if path.name == "*" and path.parent.is_dir() else [path]
    return b"".join(one.read_bytes() for one in found if one.is_file())


@dataclass
class RealAgent:
    """A real program in a home, a configuration and a working directory of its own; `environ` aims it at the model server."""

    name: str  #: the provider's
    program: Path
    folder: Path
    environ: dict[str, str]

    @cached_property
    def host(self) -> PluginHost:
        """The provider's plugin alone, found as the gateway finds it."""
        host = PluginHost.discover({})
        host.load(("provider",), (self.name,))
        return host

    @property
    def info(self) -> ProviderInfo:
        """What its plugin says of it."""
        return self.host.providers[self.name]

    @property
    def work(self) -> Path:
        """The working directory."""
        return self.folder / "work"

    @property
    def settings(self) -> Settings:
        """The gateway's settings, in `gateway/config.toml` of its folder."""
        return load_settings({"LLM_GATEWAY_HOME": str(self.folder / "gateway")}, self.host.settings_sections())

    def session(self, native_id: str, working_dir: str) -> Session:
        """A gateway session bound to this conversation."""
        now = datetime.now(timezone.utc)
        return Session(
            id=new_session_id(),
            provider=self.name,
            principal="local",
            working_dir=working_dir,
            native_id=NativeSessionId(native_id),
            settings={"posture": self.info.default_posture.value},
            created_at=now,
            last_used_at=now,
        )

    def start(
        self, prompt: str | Prompt, posture: Posture | None = None, *, after: str | None = None, **asked: Any
    ) -> Running:
        """Begin a run; `after`: the native id of the conversation to continue."""
        level = posture or self.info.default_posture
        words = Prompt(text=prompt) if isinstance(prompt, str) else prompt
        asked = {"options": self.info.options_model(), "working_dir": str(self.work), **asked}
        request = Request(provider=self.name, prompt=words, **asked)
        info = self.info.of(request.variant)
        resume = self.host.resume_session(
            self.name, request, self.session(after, request.working_dir) if after else None
        )
        settings = self.settings
        reader = ConfigReader(settings, self.environ, BoundedThreads())
        config = reader.read_now(info, request.working_dir, instructions=request.instructions)
        made = self.host.build_argv(self.name, request, level, resume, config)
        files = self.folder / f"files-{len(list(self.folder.iterdir()))}"
        files.mkdir()
        for name, content in made.files.items():
            (files / name).parent.mkdir(parents=True, exist_ok=True)
            (files / name).write_bytes(content)
        stdin = files / "stdin"
        stdin.write_bytes(made.stdin or b"")
        added = {name: value.replace(RUN_FILES, str(files)) for name, value in made.env.items()}
        own = {**config.env, **added}
        env = RunEnvironments(settings, self.environ).of(info, own, depth=1, also_passed=config.env_pass)
        argv = [part.replace(RUN_FILES, str(files)) for part in made.argv]
        argv[argv.index(info.executable)] = str(self.program)
        started_at = datetime.now(timezone.utc)
        # No pipes, as with the gateway: some programs exit before they have drained one.
        out, err = files / "stdout", files / "stderr"
        with open(stdin, "rb") as words_file, open(out, "wb") as out_file, open(err, "wb") as err_file:
            process = subprocess.Popen(
                argv,
                stdin=words_file,
                stdout=out_file,
                stderr=err_file,
                cwd=request.working_dir,
                env=env,
                start_new_session=True,
            )
        return Running(
            agent=self,
            process=process,
            request=request,
            posture=level,
            resume=resume,
            invocation=made,
            files=files,
            started_at=started_at,
            notices=(*config.notices, *made.warnings),
        )

    def ask(self, prompt: str | Prompt, posture: Posture | None = None, **asked: Any) -> Outcome:
        """Run to the end."""
        return self.start(prompt, posture, **asked).finish()
