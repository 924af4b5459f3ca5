"""The ids that a user types: a whole id, the beginning of one, or `last`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llm_gateway.cli.exits import UsageError
from llm_gateway.model.gateway_api import GatewayApi
from llm_gateway.model.ids import JobId, SessionId
from llm_gateway.model.operation import CallContext

LAST = "last"
#: Among how many of the newest jobs or sessions a beginning is looked for.
_MOST = 5000
_SHOWN = 5


async def job_id_of(gateway: GatewayApi, typed: str) -> str:
    """Return the id of the user's job. An unknown one is returned unchanged: the operation reports it. Raises UsageError."""
    if typed.startswith("job-") and await gateway.store.get_job(JobId(typed)) is not None:
        return typed
    principal = CallContext().principal
    jobs = await gateway.store.list_jobs(principal=principal, limit=1 if typed == LAST else _MOST)
    return _chosen(typed, "job-", [job.id for job in jobs])


async def job_ids_of(gateway: GatewayApi, typed: Iterable[str]) -> list[str]:
    """Return the ids of several jobs, each once. Raises UsageError."""
    return list(dict.fromkeys([await job_id_of(gateway, one) for one in typed]))


async def session_id_of(gateway: GatewayApi, typed: str) -> str:
    """Return the id of the user's session, as `job_id_of` does. A provider's own session id is returned unchanged."""
    if typed.startswith("gw-") and await gateway.store.get_session(SessionId(typed)) is not None:
        return typed
    if typed != LAST and not typed.startswith("gw-"):
        return typed
    principal = CallContext().principal
    sessions = await gateway.store.list_sessions(principal=principal, limit=1 if typed == LAST else _MOST)
    return _chosen(typed, "gw-", [session.id for session in sessions])


def _chosen(typed: str, prefix: str, newest_first: Sequence[str]) -> str:
    """Return the one id that was meant."""
    if typed == LAST:
        return newest_first[0] if newest_first else typed
    wanted = typed if typed.startswith(prefix) else prefix + typed
    found = [one for one in newest_first if one.startswith(wanted)]
    if len(found) > 1:
        shown = ", ".join(found[:_SHOWN]) + (", …" if len(found) > _SHOWN else "")
        raise UsageError(f"{typed} is the beginning of {len(found)} ids: {shown}; type more of it")
    return found[0] if found else typed
