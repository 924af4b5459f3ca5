"""What policies are shown, what is kept of their verdicts, and how they are asked once more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from llm_gateway.dispatch import approval
from llm_gateway.errors import ApprovalDenied, GatewayError, InvalidRequest, ProviderFailed
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.record import Verdict, VerdictRecord
from llm_gateway.model.request import Accepted, Proposal, Request
from llm_gateway.model.tools import Access, Opened

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway


def propose(
    gateway: Gateway,
    info: ProviderInfo,
    request: Request,
    posture: Posture,
    *,
    strategy: str,
    strictness: str,
    env_names: Iterable[str],
) -> Proposal:
    """What the policies judge."""
    return Proposal(
        request=request,
        posture=posture,
        strategy=strategy,
        strictness=strictness,
        bypass_allowed=gateway.settings.allow_bypass,
        env_names=tuple(sorted(env_names)),
        tools=_opened(info, request),
        private_places=_private_places(gateway),
    )


def _opened(info: ProviderInfo, request: Request) -> tuple[Opened, ...]:
    """What each allowed tool opens, in the provider's words. Raises ProviderFailed when it cannot say."""
    if info.opens is None:
        return tuple(Opened(entry=entry, access=Access.UNKNOWN) for entry in request.allowed_tools)
    try:
        said = tuple(info.opens(request))
    except GatewayError:
        raise
    except Exception as error:
        raise ProviderFailed(f"{info.name} could not say what allowedTools opens: {error}") from error
    named = {one.entry for one in said if isinstance(one, Opened)}
    left_out = [entry for entry in request.allowed_tools if entry not in named]
    return (*said, *(Opened(entry=entry, access=Access.UNKNOWN) for entry in left_out))


def _private_places(gateway: Gateway) -> tuple[str, ...]:
    """Where this gateway and the programs of all its providers keep what is nobody else's business."""
    settings = gateway.settings
    found = {str(settings.home), str(settings.config_file)}
    for name, info in gateway.providers.items():
        environ = {**gateway.environ, **settings.provider(name).env}
        for one in (info, *info.variants.values()):
            found.update(filter(None, (_resolved(place, environ) for place in one.private_places)))
    return tuple(sorted(found))


def _resolved(place: str, environ: Mapping[str, str]) -> str | None:
    """A place with its variable and `~` filled in; None: its variable is not set, or it is no absolute path."""
    if place.startswith("$"):
        name, _, rest = place[1:].partition("/")
        value = environ.get(name)
        if not value:
            return None
        place = os.path.join(value, rest) if rest else value
    if place == "~" or place.startswith("~/"):
        place = environ.get("HOME", os.path.expanduser("~")) + place[1:]
    return os.path.normpath(place) if os.path.isabs(place) else None


async def judge_again(
    gateway: Gateway, info: ProviderInfo, job: Job, accepted: Accepted, env_names: Iterable[str]
) -> None:
    """Ask the policies of this gateway about a job that another one accepted and did not start.

    A yes of a human counts for the question that was asked then. Raises ApprovalDenied or ApprovalNeeded.
    """
    proposal = propose(
        gateway,
        info,
        accepted.request,
        accepted.posture,
        strategy=accepted.strategy,
        strictness=accepted.strictness,
        env_names=env_names,
    )
    verdicts = [verdict for _, verdict in gateway.host.approve(proposal)]
    human = approval.answered_before(job.approval, verdicts)
    await keep_verdicts(gateway, proposal, verdicts, job.id)
    try:
        ruling = approval.rule(info, accepted.posture, accepted.strategy, verdicts, human)
    except InvalidRequest as error:
        raise ApprovalDenied(error.message, recovery=error.recovery) from error
    except GatewayError as error:
        error.message = f"the gateway that took this job over asked its policies again: {error.message}"
        raise
    if ruling.posture is not accepted.posture:
        raise ApprovalDenied(
            f"the job was accepted with the posture {accepted.posture.value}; the policies of the gateway that took it over "
            f"allow {ruling.posture.value}",
            recovery="Send the request again.",
        )


async def keep_verdicts(
    gateway: Gateway, proposal: Proposal, verdicts: Sequence[Verdict], job_id: JobId | None
) -> None:
    """Keep what was judged, by whom and why; of the prompt its hash."""
    request, now = proposal.request, datetime.now(timezone.utc)
    record = partial(VerdictRecord, job_id=job_id, provider=request.provider, principal=request.principal)
    words = hashlib.sha256(request.prompt.text.encode()).hexdigest()
    for verdict in verdicts:
        kept = record(strategy=proposal.strategy, verdict=verdict, prompt_sha256=words, decided_at=now)
        await gateway.store.add_verdict(kept)
