"""The protocol of an engine: it carries out runs that outlive the gateway."""

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
    """One run, ready to start. The engine never writes `env` values to a file, and `files` only where the run needs them."""

    job_id: JobId
    argv: tuple[str, ...]  #: argv[0] is an absolute path; RUN_FILES may stand in any element
    cwd: str
    env: Mapping[str, str]  #: the complete environment of the run
    stdin: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    artifacts: tuple[str, ...] = ()
    timeout_s: float
    idle_timeout_s: float | None = None
    output_bytes: int  #: kept per stream: the beginning and the end
    memory_bytes: int | None = None  #: of all its processes together; None: no limit
    processes: int | None = None  #: at once
    cpu: float | None = None  #: cores' worth of time
    end_steps: tuple[EndStep, ...] = (EndStep(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """The state of a run, read from outside without a change to it."""

    known: bool  #: a shim has started it
    alive: bool  #: its shim is running
    pid: int | None = None  #: the agent's
    shim_pid: int | None = None
    started_at: datetime | None = None
    last_output_at: datetime | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    rss_bytes: int | None = None  #: of the agent and its descendants, where the system tells
    cpu_s: float | None = None


class Peers(Protocol):
    """The gateways that share an engine and a home: leases and notifications."""

    def register(self) -> None:
        """Acquire the lease of this gateway and begin to receive. Raises TimeoutError when another process holds the lease."""

    def unregister(self) -> None:
        """Release the lease and stop receiving. Idempotent. The end of the process has the same effect."""

    def is_alive(self, gateway_id: str) -> bool:
        """Whether a gateway is running. Known at once, without a timer. Blocks shortly."""

    def notify(self, job_id: JobId) -> None:
        """Notify every gateway that this job changed. A hint, which can get lost. Never raises. Blocks shortly."""

    async def receive(self) -> set[str]:
        """Wait for notifications. Returns ids of jobs, and an empty id if some were lost. Runs that end send one, too."""


class Engine(Protocol):
    """Where runs happen. Methods without `async` block shortly: call them in a thread."""

    async def aopen(self) -> None:
        """Prepare. Called once, before all other methods."""

    async def aclose(self) -> None:
        """Release everything. The runs continue. Idempotent."""

    def peers(self, gateway_id: str) -> Peers:
        """The peers of the gateway with this id. It is not registered yet."""

    async def launch(self, spec: RunSpec) -> None:
        """Make sure that this run is started. Safe to repeat, from any gateway: a job is never run twice.

        Each process of the run has the job's id in its environment, as LLM_GATEWAY_JOB.
        """

    async def wait(self, job_id: JobId) -> RunEnd:
        """Wait for the end of a launched run, event-driven. Returns at once if it is over. All waiters get the same end.

        A run whose shim was killed ends as VANISHED, after its remaining processes were killed. Raises LookupError for a run
        that was never launched.
        """

    async def cancel(self, job_id: JobId) -> None:
        """Request the end of a run, from any process of this home. `wait` returns when it is over. Idempotent.

        A run that is launched after this call ends as CANCELED without starting.
        """

    def changes(self, job_id: JobId) -> AsyncIterator[None]:
        """Yield once, and again whenever output may have grown, until the run is over."""

    def view(self, job_id: JobId) -> RunView:
        """Read the state of a run."""

    def read_output(self, job_id: JobId, stream: str, offset: int, size: int) -> bytes:
        """Bytes of `stdout` or `stderr` from an absolute offset; b"" at the end. A hole reads as zero bytes."""

    def forget(self, job_id: JobId, *, output_only: bool = False) -> None:
        """Delete a finished job's folder, or (`output_only`) only what the run read and wrote."""
