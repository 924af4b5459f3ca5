"""Hooks that add to what callers and operators see, and those that only watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llm_gateway.hookspecs.marks import hookspec

if TYPE_CHECKING:
    from pydantic import BaseModel

    from llm_gateway.model.job import Job
    from llm_gateway.model.operation import Command, Diagnosis, Operation, PromptTemplate, Resource
    from llm_gateway.model.record import Record
    from llm_gateway.model.request import McpServer


@hookspec
def gateway_operations() -> Sequence[Operation]:
    """Bring more operations.

    Called once at start. An operation with a name that is taken, or a parameter model without a usable schema, is dropped and
    reported; the others stay.

    Example:
        @hookimpl
        def gateway_operations():
            return [Operation(name="greet", title="Greet", description="Say hello.", params=P, result=R, handler=greet)]
    """


@hookspec
def gateway_resources() -> Sequence[Resource]:
    """Bring more resources.

    Called once at start.

    Example:
        @hookimpl
        def gateway_resources():
            return [Resource(uri="house://rules", name="rules", description="House rules.", read=read_rules)]
    """


@hookspec
def gateway_prompts() -> Sequence[PromptTemplate]:
    """Bring prompts that a client may offer to its user.

    Called once at start.

    Example:
        @hookimpl
        def gateway_prompts():
            return [PromptTemplate(name="review", title="Review", description="Review a diff.", render=render)]
    """


@hookspec
def gateway_commands() -> Sequence[Command]:
    """Bring subcommands of `llm-gateway`.

    Called when the command line has a word that the kernel does not know, or asks for help; then only extensions are loaded.
    A name that is taken is dropped and reported.

    Example:
        @hookimpl
        def gateway_commands():
            return [Command(name="greet", help="Say hello.", run=greet)]
    """


@hookspec
def gateway_diagnose() -> Sequence[Diagnosis]:
    """Look whether this machine has what the plugin needs, for `llm-gateway doctor`.

    Called by `doctor` alone, in a worker thread, after the plugin was given its settings. Sends nothing over the network.

    Example:
        @hookimpl
        def gateway_diagnose():
            return [Diagnosis(name="docker", ok=bool(shutil.which("docker")), message="`docker` is needed on PATH.")]
    """


@hookspec
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """Bring settings of the plugin's own: section name -> model (extra="forbid", every field with a default).

    Called once at start, before anything else but `gateway_describe_provider`. The section of a provider stands under
    `[providers.<name>]` beside the kernel's own keys; any other is a section at the top. Keys are as strict as the kernel's.

    Example:
        @hookimpl
        def gateway_settings():
            return {"house": HouseSettings}
    """


@hookspec
def gateway_configure(settings: Mapping[str, BaseModel]) -> None:
    """Take in what is set under the plugin's own sections.

    Called once at start, after the settings were read; not at all where they were found wrong. What is raised stops the start.

    :param settings: section name, as `gateway_settings` brought it -> an instance of its model.

    Example:
        @hookimpl
        def gateway_configure(settings):
            house.rules = settings["house"]
    """


@hookspec
def gateway_mcp_servers() -> Sequence[McpServer]:
    """Name MCP servers that callers may give to runs.

    Called once at start. `[mcp_servers.<name>]` in the settings adds to these and overrides them.

    Example:
        @hookimpl
        def gateway_mcp_servers():
            return [McpServer(name="search", command="search-mcp")]
    """


@hookspec
def gateway_job_changed(job: Job) -> None:
    """Learn that a job entered a new state.

    Called after the store has it, once for each change that this gateway made, in order, in a thread of the observers: an
    observer may block, and holds up no caller, only the other observers. One that raises is logged and skipped.

    :param job: the job in its new state.

    Example:
        @hookimpl
        def gateway_job_changed(job):
            counter[job.state] += 1
    """


@hookspec
def gateway_turn_recorded(record: Record) -> None:
    """Learn that a turn was recorded.

    Called after the store has it, as `gateway_job_changed` is. An observer that raises is logged and skipped.

    :param record: the flight record: numbers and hashes; words only where a plugin had them kept (`record.words`).

    Example:
        @hookimpl
        def gateway_turn_recorded(record):
            total.add(record.cost.usd or 0)
    """
