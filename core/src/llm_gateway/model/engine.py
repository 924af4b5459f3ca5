"""What an engine must do: carry out runs that outlive the gateway."""

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
    """One run, ready to go. `env` values and `files` never reach the disk through the engine's own files."""

    job_id: JobId
    argv: tuple[str, ...]  #: argv[0] is an absolute path; RUN_FILES may stand in any element
    cwd: str
    env: Mapping[str, str]  #: the whole environment of the run
    stdin: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()
    timeout_s: float
    idle_timeout_s: float | None = None
    output_bytes: int  #: kept per stream, head and tail
    memory_bytes: int | None = None  #: of all its processes together; None: no limit
    processes: int | None = None  #: at once
    cpu: float | None = None  #: cores' worth of time
    end_steps: tuple[EndStep, ...] = (EndStep(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """What can be seen of a run from outside, without touching it."""

    known: bool  #: a shim has begun
    alive: bool  #: its shim lives
    pid: int | None = None  #: the agent's
    shim_pid: int | None = None
    started_at: datetime | None = None
    last_output_at: datetime | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    rss_bytes: int | None = None  #: of the agent and its descendants, where the system tells
    cpu_s: float | None = None


class Peers(Protocol):
    """What the gateways that share an engine and a home know of each other."""

    def register(self) -> None:
        """Begin to live and to hear. Raises TimeoutError when another process lives under this id."""

    def unregister(self) -> None:
        """End. Idempotent. A gateway that dies leaves as surely."""

    def is_alive(self, gateway_id: str) -> bool:
        """Whether a gateway lives; known at once, without a timer. Blocks shortly."""

    def notify(self, job_id: JobId) -> None:
        """Tell every gateway that this job changed. A hint, which may get lost; never raises. Blocks shortly."""

    async def receive(self) -> set[str]:
        """Wait for hints: ids of jobs, and an empty one if more was said than was kept. Ends of runs are told as well."""


class Engine(Protocol):
    """Where runs happen. Methods without `async` block shortly: call them in a thread."""

    async def aopen(self) -> None:
        """Make ready."""

    async def aclose(self) -> None:
        """Let go; the runs go on. Idempotent."""

    def peers(self, gateway_id: str) -> Peers:
        """The peers of the gateway with this id; it has not joined yet."""

    async def launch(self, spec: RunSpec) -> None:
        """Make sure that this run has been started. Safe to repeat, from any gateway: a job is never run twice.

        Each of its processes finds the job's id in its environment, as LLM_GATEWAY_JOB.
        """

    async def wait(self, job_id: JobId) -> RunEnd:
        """Wait for the end of a launched run, event-driven; at once if it is over.

        A run whose shim was killed ends as VANISHED, after what it left behind has been killed. A run that was never
        launched (nothing is known of it) raises LookupError.
        """

    async def cancel(self, job_id: JobId) -> None:
        """Ask for the end of a run, from any process of this home; `wait` tells when it is over. Idempotent.

        A run that is launched later, after this call, ends as CANCELED without starting.
        """

    def changes(self, job_id: JobId) -> AsyncIterator[None]:
        """Yield once, and again whenever output may have grown, until the run is over."""

    def view(self, job_id: JobId) -> RunView:
        """Look at a run."""

    def read_output(self, job_id: JobId, stream: str, offset: int, size: int) -> bytes:
        """Bytes of `stdout` or `stderr` from an absolute offset; b"" at the end. A hole reads as zero bytes."""

    def forget(self, job_id: JobId, *, output_only: bool = False) -> None:
        """Delete a finished job's folder, or (`output_only`) just what the run read and wrote."""
