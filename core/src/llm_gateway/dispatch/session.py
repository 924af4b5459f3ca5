"""Step 2: which conversation this request belongs to, and what it says again on resume."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from llm_gateway.errors import InvalidRequest, SessionNotFound
from llm_gateway.model.ids import NativeSessionId, SessionId, new_session_id
from llm_gateway.model.job import JobState
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.request import Ask, Request
from llm_gateway.model.session import Session
from llm_gateway.model.store import Store

#: Lists that a later turn repeats when it names none.
_REPEATED = ("add_dirs", "allowed_tools", "disallowed_tools")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The conversation that was chosen."""

    session: Session
    begun: bool  #: False: the session is new and not stored yet


async def choose_session(store: Store, info: ProviderInfo, ask: Ask, now: datetime) -> Place:
    """Find the conversation to continue, or make a new one.

    Raises InvalidRequest for arguments that exclude each other or an id of the wrong form, SessionNotFound for an id that is
    nobody's or somebody else's: the two are not told apart.
    """
    request = ask.request
    if sum((ask.session_id is not None, ask.resume_latest, ask.create_new)) > 1:
        raise InvalidRequest("sessionId, resumeLatest and createNewSession exclude each other")
    if "sessionId" not in info.supports:
        if ask.session_id or ask.resume_latest:
            raise InvalidRequest(f"{info.name} cannot continue a conversation: it keeps none")
        return _fresh(request, now)
    if ask.session_id is not None:
        return await _by_id(store, info, request, ask.session_id, now)
    if ask.resume_latest:
        return Place(session=await _latest(store, info, request), begun=True)
    if not ask.create_new:
        active = await store.active_session(info.name, request.working_dir, request.principal)
        if active is not None:
            return Place(session=active, begun=True)
    return _fresh(request, now)


def continue_request(ask: Ask, place: Place, info: ProviderInfo) -> tuple[Request, Posture | None]:
    """Fill what the caller left out from the conversation's first turn, so that a resume says it again byte for byte.

    With the request comes the first turn's posture, for a turn that names none.
    """
    if not place.begun:
        return ask.request, None
    said: Mapping[str, Any] = place.session.settings
    repeated: dict[str, Any] = {name: getattr(ask.request, name) or tuple(said.get(name, ())) for name in _REPEATED}
    request = replace(
        ask.request,
        model=ask.request.model or said.get("model"),
        working_dir=ask.request.working_dir if ask.dir_given else place.session.working_dir,
        options=info.options_model.model_validate({**said.get("options", {}), **ask.options_given}),
        **repeated,
    )
    return request, Posture(said["posture"]) if said.get("posture") else None


def remember(session: Session, request: Request, posture: Posture, options_given: Mapping[str, Any]) -> Session:
    """A new session with what its later turns must say again."""
    said: dict[str, Any] = {"posture": posture.value}
    if request.model:
        said["model"] = request.model
    said |= {name: list(getattr(request, name)) for name in _REPEATED if getattr(request, name)}
    if options_given:
        said["options"] = dict(options_given)
    return replace(session, settings=said)


async def _latest(store: Store, info: ProviderInfo, request: Request) -> Session:
    """The newest conversation of this directory that can be continued: begun, or being begun just now."""
    newest_first = await store.list_sessions(
        principal=request.principal, provider=info.name, working_dir=request.working_dir, limit=50
    )
    for session in newest_first:
        if session.native_id or await store.list_jobs(
            session_id=session.id, states=(JobState.QUEUED, JobState.RUNNING), limit=1
        ):
            return session
    raise SessionNotFound(f"there is no conversation of {info.name} in {request.working_dir} yet")


async def _by_id(store: Store, info: ProviderInfo, request: Request, given: str, now: datetime) -> Place:
    if given.startswith("gw-"):
        found = await store.get_session(SessionId(given))
        if found is None or found.principal != request.principal or found.provider != info.name:
            raise SessionNotFound(f"{info.name} has no session {given}")
        return Place(session=found, begun=True)
    if not re.fullmatch(info.native_id_pattern, given):
        raise InvalidRequest(
            f"sessionId is neither a gw-… id nor a session id of {info.name}",
            recovery="Pass the sessionId or gatewaySessionId of an earlier answer, as it was.",
        )
    native = NativeSessionId(given)
    bound = await store.find_session(info.name, native, request.principal)
    if bound is not None:
        return Place(session=bound, begun=True)
    return Place(session=replace(_fresh(request, now).session, native_id=native), begun=False)


def _fresh(request: Request, now: datetime) -> Place:
    session = Session(
        id=new_session_id(),
        provider=request.provider,
        principal=request.principal,
        working_dir=request.working_dir,
        created_at=now,
        last_used_at=now,
    )
    return Place(session=session, begun=False)
