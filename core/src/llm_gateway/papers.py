"""The gateway's own papers in a job's folder: the request as it was accepted, and the words of the reply. What is no coroutine blocks."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread

from llm_gateway.dispatch import seal
from llm_gateway.errors import Interrupted
from llm_gateway.model.job import Job
from llm_gateway.model.request import Accepted, McpServer
from llm_gateway.model.session import Session
from llm_gateway.model.stored import from_json, to_json

if TYPE_CHECKING:
    from llm_gateway.gateway import Gateway

log = logging.getLogger("llm_gateway.papers")

_REQUEST = "request.json"
_REPLY = "reply.txt"


def keep_request(folder: Path, accepted: Accepted) -> bytes:
    """Keep an accepted request; gives what was written. Of MCP servers only the names: the rest may be secret."""
    named = tuple(McpServer(name=server.name) for server in accepted.request.mcp_servers)
    document = to_json(replace(accepted, request=replace(accepted.request, mcp_servers=named)))
    _lay_down(folder, _REQUEST, document)
    return document


def read_request(gateway: Gateway, job: Job, session: Session | None) -> Accepted:
    """The request of a job, as it was accepted. Raises Interrupted when it cannot be read, or was changed since.

    :param session: the job's conversation, as the store has it.
    """
    try:
        document = (gateway.supervisor.folder(job.id) / _REQUEST).read_bytes()
        accepted = from_json(Accepted, document) if seal.is_unchanged(job, document) else None
        if accepted is None or not seal.enters_rightly(job, document, accepted.resume, session):
            raise seal.changed(job)
        options = gateway.providers[job.provider].options_model.model_validate(accepted.request.options or {})
    except (FileNotFoundError, ValueError) as error:
        raise Interrupted(f"the papers of {job.id} cannot be read: {error}") from error
    servers = tuple(gateway.mcp_servers.get(server.name, server) for server in accepted.request.mcp_servers)
    return replace(accepted, request=replace(accepted.request, options=options, mcp_servers=servers))


async def accepted_request(gateway: Gateway, job: Job) -> Accepted:
    """As `read_request`, with the job's conversation from the store. Does not block."""
    session = await gateway.store.get_session(job.session_id) if job.session_id else None
    return await to_thread.run_sync(read_request, gateway, job, session)


async def was_changed(gateway: Gateway, job: Job) -> bool:
    """Whether the request in a job's folder is another one than was accepted."""
    try:
        await accepted_request(gateway, job)
    except Interrupted as error:
        if error.notices:
            log.error("security: %s", error.message)
        return bool(error.notices)
    return False


def keep_reply(folder: Path, text: str) -> None:
    """Keep the words of a reply."""
    _lay_down(folder, _REPLY, text.encode("utf-8", "surrogatepass"))


def read_reply(folder: Path, of: int, offset: int, most: int) -> str:
    """At most so many characters (-1: all) from an offset, of a final reply that has `of`; "" when it is not kept any more."""
    with suppress(FileNotFoundError):
        paper = os.open(folder / _REPLY, os.O_RDONLY | os.O_NOFOLLOW)
        with open(paper, encoding="utf-8", errors="surrogatepass", newline="") as file:
            # Where each character is a byte, nothing before the offset is read; elsewhere it is passed over, piece by piece.
            left = offset - file.seek(offset if os.fstat(paper).st_size == of else 0)
            while left and (passed := file.read(min(left, 1 << 18))):
                left -= len(passed)
            return file.read(most)
    return ""


def keep_only_reply(gateway: Gateway, job: Job) -> None:
    """Delete an ended job's prompt and output."""
    with suppress(OSError, RuntimeError):  # what stays now goes with the job
        gateway.engine.forget(job.id, output_only=True)
        (gateway.supervisor.folder(job.id) / _REQUEST).unlink(missing_ok=True)


def _lay_down(folder: Path, name: str, paper: bytes) -> None:
    """Lay a paper into a job's folder, whole or not at all."""
    for place in (folder.parent, folder):  # each with its mode: `parents=True` would leave the upper one open
        place.mkdir(mode=0o700, exist_ok=True)
    draft = folder / f".{name}"  # one name, as only the job's owner writes: what a killed owner left is written over
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(paper)
    draft.replace(folder / name)
