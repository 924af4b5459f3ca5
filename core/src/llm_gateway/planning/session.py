"""Step 2: choose the conversation of a request, and the parameters that it repeats on resume."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from anyio import to_thread

from llm_gateway.errors import InvalidRequest, SessionNotFound
from llm_gateway.model.ids import NativeSessionId, SessionId, new_session_id
from llm_gateway.model.job import JobState
from llm_gateway.model.posture import Posture
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.request import Request, SubmitRequest
from llm_gateway.model.session import Session
from llm_gateway.model.store import Store

LOCAL = "local"  #: the principal of the user of this machine
#: Lists that a later turn repeats if it names none.
_REPEATED = ("add_dirs", "allowed_tools", "disallowed_tools")


#: How many conversations are searched for one that is stored under a symbolic link.
_LOOKED_AT = 200


async def choose_session(store: Store, info: ProviderInfo, asked: SubmitRequest, now: datetime) -> tuple[Session, bool]:
    """Find the conversation to continue (True), or make a new one that is not stored yet (False).

    Raises InvalidRequest for arguments that exclude each other or an id of the wrong form, SessionNotFound for an unknown id and,
    with the same message, for another caller's id.
    """
    request, native, found = asked.request, None, None
    if sum((asked.session_id is not None, asked.resume_latest, asked.create_new)) > 1:
        raise InvalidRequest("sessionId, resumeLatest and createNewSession exclude each other")
    if "sessionId" not in info.supports:
        if asked.session_id or asked.resume_latest:
            raise InvalidRequest(f"{info.name} cannot continue a conversation: it does not keep conversations")
    elif asked.session_id is not None and asked.session_id.startswith("gw-"):
        found = await store.get_session(SessionId(asked.session_id))
        if found is None or found.principal != request.principal or found.provider != info.name:
            raise SessionNotFound(f"{info.name} has no session {asked.session_id}")
    elif asked.session_id is not None:
        if not re.fullmatch(info.native_id_pattern, asked.session_id):
            raise InvalidRequest(
                f"sessionId is neither a gw-… id nor a session id of {info.name}",
                recovery="Pass the sessionId or gatewaySessionId of an earlier answer without changes.",
            )
        native = NativeSessionId(asked.session_id)
        found = await store.find_session(info.name, native, request.principal)
        if found is None:
            await _check_nobodys(store, info, asked, native)
    elif asked.resume_latest:
        found = await _latest(store, info, asked)
    elif not asked.create_new:
        found = await _active(store, info, asked)
    if found is not None:
        return found, True
    fresh = Session(
        id=new_session_id(),
        provider=request.provider,
        principal=request.principal,
        working_dir=request.working_dir,
        native_id=native,
        created_at=now,
        last_used_at=now,
    )
    return fresh, False


async def _check_nobodys(store: Store, info: ProviderInfo, asked: SubmitRequest, native: NativeSessionId) -> None:
    """Raise SessionNotFound for a CLI's conversation that belongs to another principal, or that the store does not know.

    Only the user of this machine may continue a conversation that was begun without the gateway.
    """
    stranger = asked.remote or asked.request.principal != LOCAL
    if stranger or await store.find_session(info.name, native, None) is not None:
        raise SessionNotFound(f"{info.name} has no session {native}")


def continue_request(asked: SubmitRequest, session: Session, info: ProviderInfo) -> tuple[Request, Posture | None]:
    """Fill in the parameters that the caller left out from the conversation's first turn, byte for byte.

    Returns the request, and the first turn's posture for a turn that names none.
    """
    said = session.settings
    repeated: dict[str, Any] = {name: getattr(asked.request, name) or tuple(said.get(name, ())) for name in _REPEATED}
    repeated |= {name: getattr(asked.request, name) or said.get(name) for name in ("model", "effort")}
    request = replace(
        asked.request,
        variant=said.get("variant", ""),
        working_dir=asked.request.working_dir if asked.dir_given else session.working_dir,
        options=info.options_model.model_validate({**_repeatable(info, said), **asked.options_given}),
        **repeated,
    )
    return request, Posture(said["posture"]) if said.get("posture") else None


def _repeatable(info: ProviderInfo, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first turn's provider parameters without those that set a posture: each turn's posture is decided again."""
    options: Mapping[str, Any] = said.get("options", {})
    spelled = [name for name in options if info.posture_of(info.options_model.model_validate({name: options[name]}))]
    return {name: value for name, value in options.items() if name not in spelled}


def remember(session: Session, request: Request, posture: Posture, options_given: Mapping[str, Any]) -> Session | None:
    """Return the session with the parameters that later turns repeat, for its first turn; None for a later turn."""
    if session.settings:
        return None
    said: dict[str, Any] = {"posture": posture.value}
    said |= {name: getattr(request, name) for name in ("model", "effort", "variant") if getattr(request, name)}
    said |= {name: list(getattr(request, name)) for name in _REPEATED if getattr(request, name)}
    if options_given:
        said["options"] = dict(options_given)
    return replace(session, settings=said, working_dir=request.working_dir)


async def _active(store: Store, info: ProviderInfo, asked: SubmitRequest) -> Session | None:
    """Return the active session of this directory."""
    for place in _spellings(asked):
        if found := await store.active_session(info.name, place, asked.request.principal):
            return found
    return None


def _spellings(asked: SubmitRequest) -> list[str]:
    """Return the paths under which this directory's conversations may be stored: resolved, and unresolved in older homes."""
    return [place for place in dict.fromkeys((asked.request.working_dir, asked.dir_spelled)) if place]


async def _latest(store: Store, info: ProviderInfo, asked: SubmitRequest) -> Session:
    """Return the newest conversation of this directory that can be continued: it has a native id or an unfinished job."""
    request = asked.request
    found: list[Session] = []
    for place in _spellings(asked):
        found += await store.list_sessions(principal=request.principal, provider=info.name, working_dir=place, limit=50)
    if len(found) < 50:  # homes from before links were resolved may have some under a link
        recent = await store.list_sessions(principal=request.principal, provider=info.name, limit=_LOOKED_AT)
        known = {session.id for session in found}
        others = [session for session in recent if session.id not in known]
        found += await to_thread.run_sync(_reached_by_links, others, request.working_dir)
    for session in sorted(found, key=lambda session: session.last_used_at, reverse=True):
        if session.native_id or await store.list_jobs(
            session_id=session.id, states=(JobState.QUEUED, JobState.RUNNING), limit=1
        ):
            return session
    raise SessionNotFound(f"there is no conversation of {info.name} in {request.working_dir} yet")


def _reached_by_links(sessions: Sequence[Session], working_dir: str) -> list[Session]:
    places = {place: os.path.realpath(place) for place in {session.working_dir for session in sessions}}
    return [session for session in sessions if places[session.working_dir] == working_dir]
