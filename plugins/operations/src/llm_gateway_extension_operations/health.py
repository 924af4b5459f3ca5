"""The health of the gateway: runs, limits, store, plugins."""

from __future__ import annotations

import time
from typing import Any

from anyio import to_thread
from pydantic import Field

from llm_gateway import CallContext, Gateway, Job, JobState, Wire, find_program, job_view, operation, stamp, wire_object
from llm_gateway.errors import StoreUnavailable

#: Seconds for inspecting the processes of all running jobs together.
_INSPECT_S = 0.1


class HealthParams(Wire):
    """No parameters."""


class Health(Wire):
    """The state of this home, across all its gateways."""

    version: str
    gateway: str
    running: list[dict[str, Any]]
    queued: list[dict[str, Any]]
    limits: dict[str, int]
    store: dict[str, Any]
    plugin_problems: list[str]
    providers: dict[str, bool]
    install: dict[str, str] = Field(default_factory=dict)


async def health(gateway: Gateway, _params: HealthParams, context: CallContext) -> Health:
    """Return what runs and waits, limits, plugin problems, and which agents are installed. Use it when something does not work."""
    problems = [f"{r.kind} {r.name} ({r.distribution}): {r.problem}" for r in gateway.host.records if r.problem]
    problems += gateway.host.missing_policies
    try:
        unfinished = [job for job in await gateway.store.unfinished() if job.principal == context.principal]
        store = dict(await gateway.store.health())
    except StoreUnavailable as error:
        unfinished, store = [], {"error": error.message}
    if context.remote or context.principal != CallContext().principal:
        store.pop("jobs", None)  # counts of other principals are private
    running = [job for job in unfinished if job.state is JobState.RUNNING]
    limits = gateway.settings.limits
    installed = await to_thread.run_sync(_installed, gateway)
    return Health(
        version=gateway.version,
        gateway=gateway.jobs.owner,
        running=await to_thread.run_sync(_with_processes, gateway, running),
        queued=[job_view(job) for job in unfinished if job.state is JobState.QUEUED],
        limits={"running": limits.running, "perProvider": limits.per_provider, "queued": limits.queued},
        store=store,
        plugin_problems=problems,
        providers=installed,
        install={name: gateway.providers[name].install for name, here in installed.items() if not here},
    )


def _installed(gateway: Gateway) -> dict[str, bool]:
    found = {}
    for name, provider in sorted(gateway.providers.items()):
        override = gateway.settings.provider(name).executable
        found[name] = any(find_program(info, override, gateway.environ) for info in provider.programs.values())
    return found


def _with_processes(gateway: Gateway, jobs: list[Job]) -> list[dict[str, Any]]:
    """Return jobs with the resources of their processes. After `_INSPECT_S`, the remaining jobs have no resources."""
    deadline, views = time.monotonic() + _INSPECT_S, []
    for job in jobs:
        facts = _processes(gateway, job) if time.monotonic() < deadline else {}
        views.append({**job_view(job), **facts})
    return views


def _processes(gateway: Gateway, job: Job) -> dict[str, Any]:
    try:
        view = gateway.engine.view(job.id)
    except OSError:  # the home cannot be read at the moment
        return {}
    return wire_object(
        alive=view.alive,
        adopted=job.owner != gateway.jobs.owner or gateway.jobs.adopted(job.id),
        pid=view.pid,
        shim_pid=view.shim_pid,
        rss_bytes=view.rss_bytes,
        cpu_s=view.cpu_s,
        last_output_at=stamp(view.last_output_at),
        stdout_bytes=view.stdout_bytes,
        stderr_bytes=view.stderr_bytes,
    )


HEALTH_OPERATIONS = [operation("llm_process_health", "Gateway health", health, HealthParams, Health)]
