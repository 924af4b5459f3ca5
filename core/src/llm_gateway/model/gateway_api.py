"""What handlers, transports and plugins see of a gateway. Every attribute here is promised; nothing else is."""

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

if TYPE_CHECKING:  # for type checkers alone: at run time the model knows nothing above it
    from anyio.abc import TaskGroup
    from pydantic import BaseModel

    from llm_gateway.plugins import PluginHost
    from llm_gateway.settings import Settings


class RunOutput(Protocol):
    """What a run has printed, as far as it was read."""

    def advance(self) -> bool:
        """Read on for at most 50 ms; whether all that was printed has been read. Blocking: call it in a thread."""

    @property
    def latest(self) -> Event | None:
        """The newest event; None: there has been none."""

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
    """The jobs of a home, whichever gateway owns them."""

    @property
    def owner(self) -> str:
        """The id of this gateway, which stands in `Job.owner` of the jobs it looks after."""

    async def submit(self, request: SubmitRequest, ask: AskHuman | None = None) -> Admission:
        """Take a request in: a new job, or the earlier one that answers the same request.

        :param ask: where a policy's question to a human goes; None: nobody can be asked.

        Raises GatewayError before anything has run or been stored: InvalidRequest, NotInstalled, SessionNotFound,
        SessionBusy, UnknownMcpServer, ApprovalDenied, ApprovalNeeded, Saturated, StoreUnavailable.
        """

    async def wait(self, job_ids: Collection[JobId], *, until_all: bool, timeout_s: float | None) -> dict[JobId, Job]:
        """Wait until one or all of these jobs have ended, or the time is over; the ended ones by id. Ids of no job are left out.

        :param timeout_s: seconds; None: as long as it takes.
        """

    async def cancel(self, job: Job) -> None:
        """Ask for the end of a job, whichever gateway owns it; `wait` tells when it has ended. Idempotent."""

    def events(self, job: Job) -> AsyncIterator[Event]:
        """What the agent does, as it does it, until its run is over. Raises Interrupted when the job files are damaged."""

    async def output(self, job: Job) -> RunOutput:
        """The output of a running job. Raises Interrupted when the job files are damaged."""

    async def reply(self, job: Job, offset: int = 0, most: int = -1) -> str:
        """At most `most` characters (-1: all) of an ended job's reply from an offset; "" when it is not kept any more."""

    async def keep_only_reply(self, job: Job) -> None:
        """Delete an ended job's prompt and output."""

    async def recover(self, *jobs: Job) -> None:
        """Take over those of the jobs whose gateway is dead."""

    def adopted(self, job_id: JobId) -> bool:
        """Whether this gateway took an unfinished job over from a dead one."""

    async def drained(self) -> None:
        """Wait until none of this gateway's jobs waits for a place or for its process."""


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
        """The settings in force; they do not change."""

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
        """The open engine: for looking at runs (`view`, `read_output`). Runs are started and ended through `jobs`."""

    @property
    def jobs(self) -> JobsApi:
        """Submitting, waiting for and ending jobs."""

    @property
    def tasks(self) -> TaskGroup:
        """For what goes on in the background until the gateway closes. Whatever a task raises ends the gateway."""

    @property
    def host(self) -> PluginHost:
        """The loaded plugins: one typed method for every hook, and what went wrong (`records`, `problems`)."""

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What callers can do, by name."""

    @property
    def resources(self) -> Sequence[Resource]:
        """What callers can read."""

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
        """What a client's model is told about this server, for the handshake."""

    @property
    def defers(self) -> bool:
        """Whether callers can come back for an answer; without that no request is deferred and nothing runs in the background."""

    def supports(self, provider: str) -> frozenset[str]:
        """The request parameters that a provider can hold (`ProviderInfo.supports`); none for one that is not loaded."""

    async def call(self, name: str, arguments: Mapping[str, Any], context: CallContext) -> BaseModel:
        """Carry out an operation.

        :param arguments: as on the wire: camelCase, unvalidated.

        Raises GatewayError (InvalidRequest for arguments that do not fit), LookupError for a name that is no operation.
        """

    async def read(self, uri: str, context: CallContext) -> tuple[str, str]:
        """Read a resource: (MIME type, text). Raises LookupError for a URI that is no resource."""


#: The name by which plugins of API 1 know it.
Gateway = GatewayApi
