"""The entry point."""

from __future__ import annotations

from llm_gateway import Proposal, Verdict, hookimpl
from llm_gateway_policy_managed.judgement import judge

STRATEGY = "mcp_managed"


@hookimpl
def gateway_approve(proposal: Proposal) -> Verdict | None:
    """Judge what was sent with our strategy; of anything else no opinion."""
    return judge(proposal) if proposal.strategy == STRATEGY else None
