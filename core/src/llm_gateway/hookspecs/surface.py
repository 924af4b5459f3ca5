"""Hooks that add operations, resources, commands and settings, and hooks for observers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llm_gateway.hookspecs.marks import hookspec

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_gateway.model.command import Command
    from llm_gateway.model.job import Job
    from llm_gateway.model.operation import Diagnosis, Operation, PromptTemplate, Resource
    from llm_gateway.model.record import Record
    from llm_gateway.model.request import McpServer


@hookspec
def gateway_operations() -> Sequence[Operation]:
    """Add operations.

    Called once at start. An operation whose name is already used, or whose parameter model has no usable schema, is dropped and
    reported; the others remain.

    Example:
        @hookimpl
        def gateway_operations():
            return [Operation(name="greet", title="Greet", description="Say hello.", params=P, result=R, handler=greet)]
    """


@hookspec
def gateway_resources() -> Sequence[Resource]:
    """Add resources.

    Called once at start.

    Example:
        @hookimpl
        def gateway_resources():
            return [Resource(uri="house://rules", name="rules", description="House rules.", read=read_rules)]
    """


@hookspec
def gateway_prompts() -> Sequence[PromptTemplate]:
    """Add prompts that a client may offer to its user.

    Called once at start.

    Example:
        @hookimpl
        def gateway_prompts():
            return [PromptTemplate(name="review", title="Review", description="Review a diff.", render=render)]
    """


@hookspec
def gateway_commands() -> Sequence[Command]:
    """Add subcommands of `llm-gateway`.

    Called when the command line has a subcommand that nobody declares, and for `--help` on extensions of other authors whose
    distribution declares none; then only extensions are loaded. To be found without loading anything, declare the command with
    an entry point of the group `llm_gateway.commands`. A command whose name is already used is dropped and reported.

    Example:
        @hookimpl
        def gateway_commands():
            return [Command(name="greet", help="Say hello.", run=greet)]
    """


@hookspec
def gateway_diagnose() -> Sequence[Diagnosis]:
    """Check whether this machine has what the plugin needs, for `llm-gateway doctor`.

    Called only by `doctor`, in a worker thread, after `gateway_configure`. Must send nothing over the network.

    Example:
        @hookimpl
        def gateway_diagnose():
            return [Diagnosis(name="docker", ok=bool(shutil.which("docker")), message="`docker` is needed on PATH.")]
    """


@hookspec
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """Add settings for the plugin: section name -> model (extra="forbid", every field with a default).

    Called once at start, before all other hooks except `gateway_describe_provider`. The section of a provider is
    `[providers.<name>]`, together with the kernel's own keys; any other is a section at the top level. Keys are as strict as the
    kernel's.

    Example:
        @hookimpl
        def gateway_settings():
            return {"house": HouseSettings}
    """


@hookspec
def gateway_configure(settings: Mapping[str, BaseModel]) -> None:
    """Receive the values of the plugin's own sections.

    Called once at start, after the settings were read; not called if they are invalid. An exception stops the start.

    :param settings: section name, as in `gateway_settings` -> an instance of its model.

    Example:
        @hookimpl
        def gateway_configure(settings):
            house.rules = settings["house"]
    """


@hookspec
def gateway_mcp_servers() -> Sequence[McpServer]:
    """Add MCP servers that callers may give to runs.

    Called once at start. `[mcp_servers.<name>]` in the settings adds to them and overrides them.

    Example:
        @hookimpl
        def gateway_mcp_servers():
            return [McpServer(name="search", command="search-mcp")]
    """


@hookspec
def gateway_job_changed(job: Job) -> None:
    """Observe that a job entered a new state.

    Called in order, in a thread of the observers, after the store has the change; once for each change that this gateway made.
    An observer may block: it delays only the other observers. An observer that raises is logged and skipped.

    :param job: the job in its new state.

    Example:
        @hookimpl
        def gateway_job_changed(job):
            counter[job.state] += 1
    """


@hookspec
def gateway_turn_recorded(record: Record) -> None:
    """Observe that a turn was recorded.

    Called after the store has the record, in the same thread as `gateway_job_changed`. An observer that raises is logged and skipped.

    :param record: the flight record: numbers and hashes; text only if a plugin stored it (`record.words`).

    Example:
        @hookimpl
        def gateway_turn_recorded(record):
            total.add(record.cost.usd or 0)
    """
