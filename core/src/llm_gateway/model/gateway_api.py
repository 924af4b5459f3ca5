"""The interface of a gateway for handlers, transports and plugins. Only the attributes here are stable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job
from llm_gateway.model.operation import AskHuman, CallContext, Operation, PromptTemplate, Resource
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.reply import Event
from llm_gateway.model.request import McpServer, SubmitRequest
from llm_gateway.model.store import Admission, Store

if TYPE_CHECKING:  # for type checkers only: at run time the model imports nothing else of the kernel
    from anyio.abc import TaskGroup
    from pydantic import BaseModel

    from llm_gateway.plugins import PluginHost
    from llm_gateway.settings import Settings


class RunOutput(Protocol):
    """The output of a run, as far as it was read."""

    def advance(self) -> bool:
        """Read for at most 50 ms. Returns whether all output has been read. Blocking: call it in a thread."""

    @property
    def latest(self) -> Event | None:
        """The newest event that shows what the agent does, not SESSION; None: there has been none."""

    @property
    def partial_text(self) -> str:
        """The newest part of the agent's answer so far."""

    @property
    def read_bytes(self) -> int:
        """How many bytes of stdout and stderr have been read."""

    @property
    def stderr_tail(self) -> str:
        """The end of stderr, at most 8 KiB."""


class JobsApi(Protocol):
    """The jobs of a home, also those of other gateways."""

    @property
    def owner(self) -> str:
        """The id of this gateway. It is the value of `Job.owner` in its jobs."""

    async def submit(self, request: SubmitRequest, ask: AskHuman | None = None) -> Admission:
        """Accept a request. Returns a new job, or the earlier one that answers the same request.

        :param ask: asks a human the question of a policy; None: no human can be asked.

        Raises GatewayError before anything has run or been stored: InvalidRequest, NotInstalled, SessionNotFound,
        SessionBusy, UnknownMcpServer, ApprovalDenied, ApprovalNeeded, Saturated, StoreUnavailable.
        """

    async def wait(self, job_ids: Collection[JobId], *, until_all: bool, timeout_s: float | None) -> dict[JobId, Job]:
        """Wait until one or all of these jobs have ended, or the time is over. Returns the ended jobs by id, without unknown ids.

        :param timeout_s: seconds; None: no limit.
        """

    async def cancel(self, job: Job) -> None:
        """Request the end of a job of any gateway. Use `wait` to wait until it has ended. Idempotent."""

    def events(self, job: Job) -> AsyncIterator[Event]:
        """Yield the agent's events as they happen, until the run is over. Raises Interrupted if the job files are damaged."""

    async def output(self, job: Job) -> RunOutput:
        """Return the output of a running job. Raises Interrupted if the job files are damaged."""

    async def reply(self, job: Job, offset: int = 0, most: int = -1) -> str:
        """Return at most `most` characters (-1: all) of an ended job's reply from an offset; "" if it is not kept any more."""

    async def keep_only_reply(self, job: Job) -> None:
        """Delete an ended job's prompt and output."""

    async def recover(self, *jobs: Job) -> None:
        """Take over the given jobs whose gateway is dead."""

    def adopted(self, job_id: JobId) -> bool:
        """Return whether this gateway took an unfinished job over from a dead one."""

    async def drained(self) -> None:
        """Wait until none of this gateway's jobs is queued or waits for its process."""


class ProgramsApi(Protocol):
    """Which programs of providers were found on this machine."""

    @property
    def programs(self) -> Mapping[Any, bool]:
        """Each search for a program, and whether it found one. The first use blocks; later ones read from memory."""

    @property
    def absent(self) -> frozenset[str]:
        """The names of the providers without a program."""

    def look(self) -> bool:
        """Search again; return whether a program appeared or disappeared. Blocking: call it in a thread."""


class GatewayApi(Protocol):
    """An open gateway."""

    @property
    def version(self) -> str:
        """The version of LLM Gateway."""

    @property
    def settings(self) -> Settings:
        """The settings. They do not change while the gateway is open."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The gateway's environment variables. A run sees only those on its provider's allow-list."""

    @property
    def providers(self) -> Mapping[str, ProviderInfo]:
        """The loaded providers by name."""

    @property
    def store(self) -> Store:
        """The open store: jobs, sessions, records, verdicts, tallies."""

    @property
    def engine(self) -> Engine:
        """The open engine, to inspect runs (`view`, `read_output`). Start and end runs through `jobs`."""

    @property
    def jobs(self) -> JobsApi:
        """To submit, wait for and end jobs."""

    @property
    def tasks(self) -> TaskGroup:
        """For background tasks that run until the gateway closes. An exception in a task closes the gateway."""

    @property
    def host(self) -> PluginHost:
        """The loaded plugins: one typed method for every hook, and their problems (`records`, `problems`)."""

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The operations that callers can call, by name."""

    @property
    def resources(self) -> Sequence[Resource]:
        """The resources that callers can read."""

    @property
    def prompts(self) -> Sequence[PromptTemplate]:
        """Prompts that a client may offer to its user."""

    @property
    def mcp_servers(self) -> Mapping[str, McpServer]:
        """The MCP servers that a request can name."""

    @property
    def presence(self) -> ProgramsApi:
        """Which programs of providers were found."""

    @property
    def absent(self) -> frozenset[str]:
        """The providers whose operations are not listed; empty with `[surface] show_absent`."""

    def listed_operations(self) -> Sequence[Operation]:
        """The operations that a transport lists. A call of any other operation is still answered."""

    @property
    def instructions(self) -> str:
        """The text about this server that a client's model gets in the handshake."""

    @property
    def defers(self) -> bool:
        """Whether callers can fetch an answer later. If not, no request is deferred and none runs in the background."""

    def supports(self, provider: str) -> frozenset[str]:
        """Return the request parameters that a provider can hold (`ProviderInfo.supports`, and `instructions`); empty for an unknown provider."""

    async def call(self, name: str, arguments: Mapping[str, Any], context: CallContext) -> BaseModel:
        """Run an operation.

        :param arguments: as on the wire: camelCase, unvalidated.

        Raises GatewayError (InvalidRequest for wrong arguments), LookupError for an unknown operation.
        """

    async def read(self, uri: str, context: CallContext) -> tuple[str, str]:
        """Read a resource. Returns (MIME type, text). Raises LookupError for a URI that no resource matches."""


#: The name of `GatewayApi` for plugins of API 1.
Gateway = GatewayApi
