"""Plan an accepted job again: in another process, or when it leaves the queue."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from anyio import to_thread

from llm_gateway.errors import Interrupted
from llm_gateway.model.job import Job
from llm_gateway.model.request import Accepted
from llm_gateway.model.session import Resume, Session
from llm_gateway.model.store import Store
from llm_gateway.planning.configuration import ConfigReader
from llm_gateway.planning.judging import PolicyJudge
from llm_gateway.planning.plan import Plan, Planner

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost


#: How long a plan holds, in seconds: what it found on this machine (the program, its folders) may change later.
_HOLDS_S = 60.0


class Replanner:
    """Plans jobs that were accepted and not started."""

    def __init__(
        self, host: PluginHost, store: Store, planner: Planner, configs: ConfigReader, judge: PolicyJudge
    ) -> None:
        self._host = host
        self._store = store
        self._planner = planner
        self._configs = configs
        self._judge = judge

    async def holds(self, job: Job, plan: Plan) -> bool:
        """Return whether a plan that was made as the job was queued is still the one to run. Raises StoreUnavailable."""
        if time.monotonic() - plan.made_at > _HOLDS_S:
            return False
        session = await self._store.get_session(job.session_id) if job.session_id else None
        return not _went_on(session, plan.accepted.resume)

    async def plan(self, job: Job, accepted: Accepted, *, judged_elsewhere: bool) -> Plan:
        """Plan a job.

        :param judged_elsewhere: another gateway accepted the job, so the policies of this one judge it again.

        Raises ApprovalDenied, ApprovalNeeded, NotInstalled, and Interrupted if this gateway's environment lacks a variable.
        """
        provider, resume = self._host.providers[job.provider], accepted.resume
        session = await self._store.get_session(job.session_id) if job.session_id else None
        if session and _went_on(session, resume):
            resume = self._host.resume_session(job.provider, accepted.request, session)
        variant = accepted.request.variant
        info, program = await to_thread.run_sync(self._planner.require_program, provider, variant)
        config = await self._configs.read(info, accepted.request)
        if judged_elsewhere:
            names = self._planner.environment_of(info, config=config)
            await self._judge.judge_again(info, job, accepted, names)
        plan = await self._planner.plan(info, replace(accepted, resume=resume), program, config)
        lost = sorted(set(accepted.env_names) - set(plan.accepted.env_names))
        if lost:
            lacks = "the gateway that accepted this job ended before starting it, and this one's environment lacks "
            raise Interrupted(lacks + ", ".join(lost))
        return plan


def _went_on(session: Session | None, resume: Resume) -> bool:
    """Return whether an earlier turn of this conversation ended meanwhile."""
    native_id = session.native_id if session else None
    return native_id is not None and resume.fresh and native_id != resume.native_id
