"""Planning a job once more, in another process or long after it was accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llm_gateway.dispatch import invocation, judging
from llm_gateway.dispatch.submit import Plan, environment_of, make_plan
from llm_gateway.errors import Interrupted
from llm_gateway.model.job import Job
from llm_gateway.model.request import Accepted

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway


async def plan_again(gateway: Gateway, job: Job, accepted: Accepted, *, judged_elsewhere: bool) -> Plan:
    """Plan a job that nobody has started.

    :param judged_elsewhere: another gateway accepted it, so the policies of this one are asked.

    Raises ApprovalDenied, ApprovalNeeded, NotInstalled, and Interrupted where this gateway's environment lacks something.
    """
    whole, resume = gateway.providers[job.provider], accepted.resume
    session = await gateway.store.get_session(job.session_id) if job.session_id else None
    if session and session.native_id and resume.fresh and session.native_id != resume.native_id:
        # An earlier turn of it ended meanwhile.
        resume = gateway.host.resume_session(job.provider, accepted.request, session)
    override = gateway.settings.provider(whole.name).executable
    info, program = invocation.require_program(whole, accepted.request.variant, override, gateway.environ)
    if judged_elsewhere:
        await judging.judge_again(gateway, info, job, accepted, environment_of(gateway, info))
    plan = make_plan(gateway, info, replace(accepted, resume=resume), program)
    if lost := sorted(set(accepted.env_names) - set(plan.accepted.env_names)):
        lacks = "the gateway that accepted this job ended before starting it, and this one's environment lacks "
        raise Interrupted(lacks + ", ".join(lost))
    return plan
