"""Jobs and errors as callers see them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from llm_gateway.errors import error_for
from llm_gateway.model.job import Job
from llm_gateway.model.reply import Reply
from llm_gateway.operations.listing import listed_job


def job_view(job: Job) -> dict[str, Any]:
    """Return a job as lists show it."""
    reply = job.reply or Reply()
    return listed_job(
        id=job.id,
        state=job.state.value,
        provider=job.provider,
        model=reply.model or job.model,
        posture=job.posture.value,
        session_id=job.session_id,
        native_id=reply.native_id,
        working_dir=job.working_dir,
        correlation_id=job.correlation_id,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        duration_s=job.reply.duration_s if job.reply else None,
        error_code=job.error_code,
        cost_usd=reply.cost.usd,
    )


def error_view(job: Job) -> dict[str, Any] | None:
    """Return the `error` object of a job that failed; None for any other job."""
    failure = job.reply.failure if job.reply else None
    return error_for(**asdict(failure)).to_wire() if failure else None
