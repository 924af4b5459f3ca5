"""Have the policies judge a request, keep their verdicts, and judge a request again after a takeover."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from llm_gateway.errors import ApprovalDenied, GatewayError, InvalidRequest, ProviderFailed
from llm_gateway.locations import user_home
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.record import Verdict, VerdictRecord
from llm_gateway.model.request import Accepted, Proposal, Request
from llm_gateway.model.store import Store
from llm_gateway.model.tools import Access, Opened
from llm_gateway.planning import approval

if TYPE_CHECKING:
    from llm_gateway.plugins import PluginHost
    from llm_gateway.settings import Settings


class PolicyJudge:
    """Has the policies judge a request, and keeps their verdicts."""

    def __init__(self, host: PluginHost, store: Store, settings: Settings, environ: Mapping[str, str]) -> None:
        self._host = host
        self._store = store
        self._settings = settings
        self._environ = environ
        self._private_places: tuple[str, ...] | None = None  # settings and environment do not change

    def propose(
        self,
        info: ProviderInfo,
        request: Request,
        posture: Posture,
        *,
        strategy: str,
        strictness: str,
        env_names: Iterable[str],
    ) -> Proposal:
        """Return the proposal that the policies judge. Raises ProviderFailed."""
        return Proposal(
            request=request,
            posture=posture,
            strategy=strategy,
            strictness=strictness,
            bypass_allowed=self._settings.allow_bypass,
            env_names=tuple(sorted(env_names)),
            tools=_opened(info, request),
            private_places=self._places(),
        )

    def _places(self) -> tuple[str, ...]:
        if self._private_places is None:
            self._private_places = _private_places(self._settings, self._host.providers, self._environ)
        return self._private_places

    def verdicts(self, proposal: Proposal) -> list[Verdict]:
        """Return the verdicts of all policies."""
        return [verdict for _, verdict in self._host.approve(proposal)]

    async def judge_again(self, info: ProviderInfo, job: Job, accepted: Accepted, env_names: Iterable[str]) -> None:
        """Have this gateway's policies judge a job that another gateway accepted and did not start.

        A human's earlier yes is valid only for the same question. Raises ApprovalDenied or ApprovalNeeded.
        """
        proposal = self.propose(
            info,
            accepted.request,
            accepted.posture,
            strategy=accepted.strategy,
            strictness=accepted.strictness,
            env_names=env_names,
        )
        verdicts = self.verdicts(proposal)
        human = approval.answered_before(job.approval, verdicts)
        await self.keep_verdicts(proposal, verdicts, job.id)
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

    async def keep_verdicts(self, proposal: Proposal, verdicts: Sequence[Verdict], job_id: JobId | None) -> None:
        """Store the verdicts with their policies and reasons, and only the hash of the prompt."""
        request, now = proposal.request, datetime.now(timezone.utc)
        record = partial(VerdictRecord, job_id=job_id, provider=request.provider, principal=request.principal)
        digest = hashlib.sha256(request.prompt.text.encode()).hexdigest()
        for verdict in verdicts:
            kept = record(strategy=proposal.strategy, verdict=verdict, prompt_sha256=digest, decided_at=now)
            await self._store.add_verdict(kept)


def _opened(info: ProviderInfo, request: Request) -> tuple[Opened, ...]:
    """Return what access each allowed tool gives, according to the provider. Raises ProviderFailed if its hook fails."""
    if info.opens is None:
        return tuple(Opened(entry=entry, access=Access.UNKNOWN) for entry in request.allowed_tools)
    try:
        opened = tuple(info.opens(request))
    except GatewayError:
        raise
    except Exception as error:
        raise ProviderFailed(
            f"the plugin of {info.name} failed to determine the access that allowedTools gives: {error}"
        ) from error
    named = {item.entry for item in opened if isinstance(item, Opened)}
    left_out = [entry for entry in request.allowed_tools if entry not in named]
    return (*opened, *(Opened(entry=entry, access=Access.UNKNOWN) for entry in left_out))


def _private_places(
    settings: Settings, providers: Mapping[str, ProviderInfo], own: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the paths where this gateway and the programs of all its providers keep private files."""
    found = {str(settings.home), str(settings.config_file)}
    for name, info in providers.items():
        environ = {**own, **settings.provider(name).env}
        for variant in (info, *info.variants.values()):
            found.update(filter(None, (_resolved(place, environ) for place in variant.private_places)))
    return tuple(sorted(found))


def _resolved(place: str, environ: Mapping[str, str]) -> str | None:
    """Return a path with its variable and `~` expanded; None: the variable is not set, or the path is not absolute."""
    if place.startswith("$"):
        name, _, rest = place[1:].partition("/")
        value = environ.get(name)
        if not value:
            return None
        place = os.path.join(value, rest) if rest else value
    if place == "~" or place.startswith("~/"):
        place = user_home(environ, "") + place[1:]
    return os.path.normpath(place) if os.path.isabs(place) else None
