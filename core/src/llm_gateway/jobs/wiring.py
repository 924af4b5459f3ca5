"""Make a supervisor from its parts."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from anyio import to_thread
from anyio.abc import TaskGroup

from llm_gateway.jobs.annotations import Annotator
from llm_gateway.jobs.conclusion import Concluder
from llm_gateway.jobs.job_files import JobFiles
from llm_gateway.jobs.limit_waits import LimitWaits
from llm_gateway.jobs.queue import AdmissionQueue
from llm_gateway.jobs.recovery import OrphanRecovery
from llm_gateway.jobs.retention import Retention
from llm_gateway.jobs.runner import JobRunner
from llm_gateway.jobs.spool import spool_of
from llm_gateway.jobs.submit import Submitter
from llm_gateway.jobs.supervisor import Supervisor
from llm_gateway.jobs.table import JobTable
from llm_gateway.jobs.waiter import JobWaiter
from llm_gateway.model.engine import Engine
from llm_gateway.model.job import Job
from llm_gateway.model.record import Annotations
from llm_gateway.model.request import McpServer
from llm_gateway.model.store import Limits, Store
from llm_gateway.planning.configuration import ConfigReader
from llm_gateway.planning.judging import PolicyJudge
from llm_gateway.planning.plan import Plan, Planner
from llm_gateway.planning.replan import Replanner
from llm_gateway.planning.surroundings import BoundedThreads, Surroundings

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost
    from llm_gateway.plugins.observers import Observers
    from llm_gateway.settings import Settings


def make_supervisor(
    *,
    host: PluginHost,
    store: Store,
    engine: Engine,
    settings: Settings,
    environ: Mapping[str, str],
    limits: Limits,
    mcp_servers: Mapping[str, McpServer],
    annotate: Callable[..., Sequence[Annotations]],
    observers: Observers,
    tasks: TaskGroup,
) -> Supervisor:
    """Make the supervisor of a gateway without starting it.

    :param annotate: see `Annotator`.
    :param tasks: the task group in which its jobs run until the gateway closes.
    """
    owner = f"g{secrets.token_hex(6)}"
    table, peers, threads = JobTable(), engine.peers(owner), BoundedThreads()
    spool = spool_of(engine, settings.home)
    files = JobFiles(spool=spool, store=store, engine=engine, providers=host.providers, mcp_servers=mcp_servers)
    planner, configs = Planner(host, settings, environ), ConfigReader(settings, environ, threads)
    judge = PolicyJudge(host, store, settings, environ)
    surroundings = Surroundings(host, settings, environ, threads)
    annotator = Annotator(store, host, annotate)
    concluder = Concluder(
        store=store, engine=engine, host=host, files=files, annotator=annotator, surroundings=surroundings
    )
    replanner = Replanner(host, store, planner, configs, judge)
    runner = JobRunner(
        owner=owner,
        store=store,
        engine=engine,
        files=files,
        table=table,
        planner=planner,
        replanner=replanner,
        annotator=annotator,
        concluder=concluder,
        observers=observers,
    )

    async def run_job(job: Job, plan: Plan | None) -> None:
        await runner.run(job, plan)
        with suppress(RuntimeError):  # no thread is free: every wait checks again after a while
            await to_thread.run_sync(peers.notify, job.id)
            await queue.start_ready()

    def start(job: Job, plan: Plan | None) -> None:
        if table.launch(job.id):
            tasks.start_soon(run_job, job, plan)

    queue = AdmissionQueue(
        owner=owner,
        store=store,
        limits=limits,
        files=files,
        annotator=annotator,
        table=table,
        peers=peers,
        observers=observers,
        start=start,
        tasks=tasks,
        replanner=replanner,
    )
    recovery = OrphanRecovery(
        owner=owner,
        store=store,
        peers=peers,
        providers=host.providers,
        table=table,
        start=start,
        start_ready=queue.start_ready,
    )
    waiter = JobWaiter(owner=owner, store=store, engine=engine, host=host, files=files, table=table, recovery=recovery)
    return Supervisor(
        owner=owner,
        store=store,
        engine=engine,
        peers=peers,
        table=table,
        files=files,
        submitter=Submitter(
            owner=owner,
            store=store,
            host=host,
            settings=settings,
            environ=environ,
            mcp_servers=mcp_servers,
            planner=planner,
            configs=configs,
            judge=judge,
            surroundings=surroundings,
            threads=threads,
            queue=queue,
        ),
        waiter=waiter,
        recovery=recovery,
        retention=Retention(store, engine, spool, settings.home, settings.jobs.retention_days),
        limit_waits=LimitWaits(
            longest_s=settings.limits.longest_wait_s,
            store=store,
            engine=engine,
            files=files,
            table=table,
            providers=host.providers,
            output=waiter.output,
        ),
    )
