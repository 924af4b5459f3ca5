"""The operations on sessions: create, list, get, activate, delete. Sessions of other callers are reported as unknown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Annotated, Any

from anyio import to_thread
from pydantic import Field

from llm_gateway import (
    CallContext,
    Directory,
    Gateway,
    Resource,
    Session,
    Wire,
    new_session_id,
    operation,
    working_directory,
)
from llm_gateway.errors import InvalidRequest, SessionBusy
from llm_gateway_extension_operations.conversations import (
    cache_state,
    in_use,
    is_active,
    own_session,
    session_view,
    turn_view,
)
from llm_gateway_extension_operations.parameters import Limit, OneProvider, ProviderName, SessionIdText
from llm_gateway_extension_operations.providers import known_provider

_PAGE = 200


class CreateParams(Wire):
    """A conversation that a later request will begin."""

    provider: ProviderName
    description: Annotated[str, Field(max_length=1000, description="Note for yourself, shown in lists.")] = ""
    set_as_active: bool = Field(True, description="Let requests in workingDir continue it without naming it.")
    working_dir: str | None = Field(None, description="Absolute path it belongs to. Default: the client's directory.")


class SessionParams(Wire):
    """One conversation."""

    session_id: SessionIdText


class GetParams(SessionParams):
    """One conversation, with its newest turns."""

    limit: Annotated[int, Field(ge=1, le=100)] = Field(10, description="Return at most this many turns.")


class ListParams(Wire):
    """Which conversations to list."""

    provider: OneProvider = None
    limit: Limit = 50


class ActiveParams(Wire):
    """The conversation that requests without session arguments continue."""

    provider: ProviderName
    session_id: SessionIdText | None = Field(description="The session's id, or null so that requests start new ones.")
    working_dir: str | None = Field(None, description="Absolute path it applies to. Default: the session's.")


class ClearParams(Wire):
    """The provider whose conversations to delete."""

    provider: OneProvider = None


class SessionResult(Wire):
    """One conversation."""

    session: dict[str, Any]


class SessionDetails(SessionResult):
    """One conversation with its newest turns."""

    turns: list[dict[str, Any]]
    cache_state: dict[str, Any] | None = None


class SessionList(Wire):
    """Conversations, last used first."""

    sessions: list[dict[str, Any]]


class ActiveResult(Wire):
    """The active conversation of a directory. Without one, requests begin new conversations."""

    provider: str
    working_dir: str
    session: dict[str, Any] | None = None


class Forgotten(Wire):
    """The ids of deleted sessions, and of those that were kept because a turn of them runs."""

    deleted: list[str]
    busy: list[str]


async def create(gateway: Gateway, params: CreateParams, context: CallContext) -> SessionResult:
    """Create a session. Pass its gatewaySessionId as sessionId of a request, which starts the conversation. Seldom needed."""
    info = known_provider(gateway, params.provider)
    if "sessionId" not in info.supports:
        raise InvalidRequest(
            f"{info.name} cannot resume conversations, so it has no sessions",
            recovery="Send requests without a session.",
        )
    now = datetime.now(timezone.utc)
    session = Session(
        id=new_session_id(),
        provider=info.name,
        principal=context.principal,
        working_dir=(await working_directory(params.working_dir, context, gateway.environ)).path,
        description=params.description,
        created_at=now,
        last_used_at=now,
    )
    await gateway.store.put_session(session)
    if params.set_as_active:
        await gateway.store.set_active(info.name, session.working_dir, context.principal, session.id)
    return SessionResult(session=session_view(gateway, session, active=params.set_as_active))


async def list_sessions(gateway: Gateway, params: ListParams, context: CallContext) -> SessionList:
    """List your sessions, last used first. Pass an id as sessionId of a request to continue one."""
    if params.provider is not None:
        known_provider(gateway, params.provider)
    found = await gateway.store.list_sessions(principal=context.principal, provider=params.provider, limit=params.limit)
    return SessionList(
        sessions=[session_view(gateway, session, active=await is_active(gateway, session)) for session in found]
    )


async def get(gateway: Gateway, params: GetParams, context: CallContext) -> SessionDetails:
    """Return a session with its newest turns and the state of its prompt cache."""
    session = await own_session(gateway, params.session_id, context)
    jobs = await gateway.store.list_jobs(principal=context.principal, session_id=session.id, limit=params.limit)
    records = await gateway.store.list_records(principal=context.principal, session_id=session.id, limit=_PAGE)
    return SessionDetails(
        session=session_view(gateway, session, active=await is_active(gateway, session)),
        turns=[turn_view(job) for job in jobs],
        cache_state=cache_state(records, datetime.now(timezone.utc)),
    )


async def set_active(gateway: Gateway, params: ActiveParams, context: CallContext) -> ActiveResult:
    """Choose the session that this provider's requests continue in a directory when they name none."""
    info = known_provider(gateway, params.provider)
    session = None
    if params.session_id is not None:
        session = await own_session(gateway, params.session_id, context, provider=info.name)
    if session is not None and params.working_dir is None:
        resolved = await to_thread.run_sync(os.path.realpath, session.working_dir)
        directory = Directory(path=resolved, spelled=session.working_dir)
    else:
        directory = await working_directory(params.working_dir, context, gateway.environ)
    if directory.spelled != directory.path:  # an older home may have an entry for an unresolved path
        await gateway.store.set_active(info.name, directory.spelled, context.principal, None)
    await gateway.store.set_active(info.name, directory.path, context.principal, session.id if session else None)
    view = session_view(gateway, session, active=True) if session else None
    return ActiveResult(provider=info.name, working_dir=directory.path, session=view)


async def delete(gateway: Gateway, params: SessionParams, context: CallContext) -> Forgotten:
    """Delete a session from the gateway. The agent's own files stay. Refused while a turn of it runs."""
    session = await own_session(gateway, params.session_id, context)
    job = await in_use(gateway, session)
    if job is not None:
        raise SessionBusy(
            f"{session.id} cannot be forgotten while {job.id} is {job.state.value}",
            recovery="Wait for it (llm_job_wait), or end it (llm_job_cancel).",
        )
    await gateway.store.delete_session(session.id)
    return Forgotten(deleted=[session.id], busy=[])


async def clear_all(gateway: Gateway, params: ClearParams, context: CallContext) -> Forgotten:
    """Delete all your sessions, or those of a provider, except those in use. Only on the user's request."""
    if params.provider is not None:
        known_provider(gateway, params.provider)
    deleted: list[str] = []
    busy: list[str] = []
    while True:
        page = await gateway.store.list_sessions(
            principal=context.principal, provider=params.provider, limit=_PAGE + len(busy)
        )
        left = [session for session in page if session.id not in busy]
        if not left:
            return Forgotten(deleted=deleted, busy=busy)
        for session in left:
            if await in_use(gateway, session):
                busy.append(session.id)
            else:
                await gateway.store.delete_session(session.id)
                deleted.append(session.id)


SESSION_OPERATIONS = [
    operation("session_create", "New session", create, CreateParams, SessionResult, read_only=False, idempotent=False),
    operation("session_list", "List sessions", list_sessions, ListParams, SessionList),
    operation("session_get", "Session", get, GetParams, SessionDetails),
    operation("session_set_active", "Active session", set_active, ActiveParams, ActiveResult, read_only=False),
    operation("session_delete", "Forget a session", delete, SessionParams, Forgotten, destructive=True),
    operation("session_clear_all", "Forget sessions", clear_all, ClearParams, Forgotten, destructive=True),
]


async def _read_all(gateway: Gateway, variables: Mapping[str, str], context: CallContext) -> str:
    found = await list_sessions(gateway, ListParams(provider=variables.get("provider")), context)
    return found.model_dump_json(by_alias=True, exclude_none=True)


SESSION_RESOURCES = [
    Resource(uri="sessions://all", name="sessions", description="Your sessions.", read=_read_all),
    Resource(uri="sessions://{provider}", name="provider sessions", description="Of one provider.", read=_read_all),
]
