"""What an engine must do: execute runs that outlive the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from llm_gateway.model.ids import JobId
from llm_gateway.model.invocation import RunEnd
from llm_gateway.model.provider import EndStep


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One run, ready to start. The engine never writes `env` values and `files` to its own files on disk."""

    job_id: JobId  #: one run per job
    argv: tuple[str, ...]  #: argv[0] is an absolute path; any element may contain RUN_FILES
    cwd: str  #: an absolute path

    env: Mapping[str, str]  #: the whole environment of the run
    stdin: bytes | None = None  #: the content of standard input; None: /dev/null
    files: Mapping[str, bytes] = field(
        default_factory=dict
    )  #: name -> content, created in RUN_FILES, deleted after the run
    artifacts: tuple[str, ...] = ()  #: paths of files to return in `RunEnd.artifacts`
    timeout_s: float  #: wall clock, in seconds
    idle_timeout_s: float | None = None  #: seconds without output; None: no limit
    output_bytes: int  #: bytes kept per stream, from its beginning and its end
    memory_bytes: int | None = None  #: memory of all its processes together; None: no limit
    processes: int | None = None  #: processes at once; None: no limit
    cpu: float | None = None  #: number of cores; None: no limit
    end_steps: tuple[EndStep, ...] = (EndStep(),)  #: signals, before SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The state of a run, read without affecting it."""

    known: bool  #: whether it was started
    alive: bool  #: whether its shim is alive
    pid: int | None = None  #: of the agent

    shim_pid: int | None = None  #: of the shim
    started_at: datetime | None = None  #: aware UTC
    last_output_at: datetime | None = None  #: when output was last written; aware UTC
    stdout_bytes: int = 0  #: bytes written so far
    stderr_bytes: int = 0  #: bytes written so far
    rss_bytes: int | None = None  #: memory of the agent and its descendants, if the system reports it
    cpu_s: float | None = None  #: CPU time of the same processes, in seconds


class Peers(Protocol):
    """The gateways that share an engine and a home: which are alive, and notifications between them."""

    def register(self) -> None:
        """Take the lease and start to receive. Raises TimeoutError if another process holds the lease of this id."""

    def unregister(self) -> None:
        """Release the lease. Idempotent. The lease of a gateway that dies is released in the same way."""

    def is_alive(self, gateway_id: str) -> bool:
        """Whether a gateway is alive; known at once, without a timer. Blocks briefly."""

    def notify(self, job_id: JobId) -> None:
        """Notify every gateway that this job changed. Notifications may be lost; never raises. Blocks briefly."""

    async def receive(self) -> set[str]:
        """Wait for notifications: ids of jobs, and an empty id if some were lost. Includes ends of runs."""


class Engine(Protocol):
    """Executes runs. Methods without `async` block briefly: call them in a thread."""

    async def aopen(self) -> None:
        """Open. Called once, before any other method."""

    async def aclose(self) -> None:
        """Close; the runs continue. Idempotent."""

    def peers(self, gateway_id: str) -> Peers:
        """The peers of the gateway with this id, which is not registered yet."""

    async def launch(self, spec: RunSpec) -> None:
        """Make sure that this run has been started. Safe to repeat, from any gateway: a job never runs twice.

        Each of its processes has the job's id in its environment, as LLM_GATEWAY_JOB.
        """

    async def wait(self, job_id: JobId) -> RunEnd:
        """Wait for the end of a launched run, event-driven; returns at once if it has ended.

        A run whose shim was killed ends as VANISHED, after its remaining processes have been killed. Raises LookupError for a
        run that was never launched.
        """

    async def cancel(self, job_id: JobId) -> None:
        """Request the end of a run, from any process of this home; `wait` returns when it has ended. Idempotent.

        A run that is launched after this call ends as CANCELED without starting.
        """

    def changes(self, job_id: JobId) -> AsyncIterator[None]:
        """Yield once, and again whenever output may have grown, until the run is over."""

    def view(self, job_id: JobId) -> RunView:
        """The state of a run."""

    def read_output(self, job_id: JobId, stream: str, offset: int, size: int) -> bytes:
        """Bytes of `stdout` or `stderr` from an absolute offset; b"" at the end. A hole reads as zero bytes."""

    def forget(self, job_id: JobId, *, output_only: bool = False) -> None:
        """Delete a finished job's folder, or (`output_only`) only the input and output of the run."""
