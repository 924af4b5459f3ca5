"""What the results of `llm-gateway verify` mean for a request: a posture that permitted too much is named or refused."""

from __future__ import annotations

from llm_gateway import (
    Annotations,
    Decision,
    GatewayApi,
    Notice,
    Posture,
    Proposal,
    Record,
    Request,
    Verdict,
    find_program,
    verified_build,
)


def warn(gateway: GatewayApi, record: Record, request: Request | None) -> Annotations | None:
    """Return the warning `posture_broken`, if there is reason for it. Blocks for a few stat calls and one small file."""
    problem = broken(gateway, record.provider, request.variant if request else "", record.posture)
    if not problem:
        return None
    details = {"posture": record.posture.value}
    return Annotations(notices=(Notice(code="posture_broken", message=problem, details=details),))


def refuse(gateway: GatewayApi, proposal: Proposal) -> Verdict | None:
    """Deny a request whose posture permitted too much."""
    request = proposal.request
    problem = broken(gateway, request.provider, request.variant, proposal.posture)
    if not problem:
        return None
    return Verdict(decision=Decision.DENY, policy="verify", reasons=(problem,))


def broken(gateway: GatewayApi, provider: str, variant: str, posture: Posture) -> str:
    """Return what `llm-gateway verify` saw a posture of the installed build permit; empty: nothing, or it was not tried."""
    whole = gateway.providers.get(provider)
    if whole is None:
        return ""
    info = whole.of(variant)
    program = find_program(info, gateway.settings.provider(provider).executable, gateway.environ)
    build = program and verified_build(gateway.settings.home, provider, info.variant, program.identity)
    check = f"posture:{posture.value}"
    if not build or check not in build["breaches"]:
        return ""
    detail = build["checks"][check].get("detail", "")
    return (
        f"The posture {posture.value} of {info.title} {build['version']} permits more than it says: `llm-gateway verify` "
        f"saw it on {build['at'][:10]} ({detail}). Upgrade the program, or verify it again."
    )
