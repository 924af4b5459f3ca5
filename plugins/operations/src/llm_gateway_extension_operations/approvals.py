"""List the verdicts of the policies."""

from __future__ import annotations

from typing import Any

from llm_gateway import CallContext, Gateway, VerdictRecord, Wire, operation, stamp, wire_object
from llm_gateway_extension_operations.parameters import Limit, OneProvider


class ApprovalParams(Wire):
    """Which verdicts to list."""

    provider: OneProvider = None
    limit: Limit = 50


class ApprovalList(Wire):
    """Verdicts, newest first."""

    approvals: list[dict[str, Any]]


async def list_approvals(gateway: Gateway, params: ApprovalParams, context: CallContext) -> ApprovalList:
    """List the verdicts on your requests: decision, policy, reasons and jobId. Use it to see why a request was denied."""
    found = await gateway.store.list_verdicts(principal=context.principal, provider=params.provider, limit=params.limit)
    return ApprovalList(approvals=[_view(record) for record in found])


def _view(record: VerdictRecord) -> dict[str, Any]:
    verdict = record.verdict
    return wire_object(
        job_id=record.job_id,
        provider=record.provider,
        strategy=record.strategy,
        decision=verdict.decision.value,
        policy=verdict.policy,
        reasons=list(verdict.reasons),
        posture=verdict.posture.value if verdict.posture else None,
        question=verdict.question,
        prompt_sha256=record.prompt_sha256,
        decided_at=stamp(record.decided_at),
    )


APPROVAL_OPERATIONS = [operation("approval_list", "List approvals", list_approvals, ApprovalParams, ApprovalList)]
