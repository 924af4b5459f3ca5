"""The job files that the gateway writes: the accepted request and the text of the reply. Functions without `async` block."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from errno import EACCES, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO
from io import TextIOWrapper

from anyio import to_thread

from llm_gateway.errors import Interrupted
from llm_gateway.jobs import request_digests
from llm_gateway.model.engine import Engine
from llm_gateway.model.ids import JobId
from llm_gateway.model.job import Job
from llm_gateway.model.provider import ProviderInfo
from llm_gateway.model.request import Accepted, McpServer
from llm_gateway.model.session import Session
from llm_gateway.model.spool import Spool
from llm_gateway.model.store import Store
from llm_gateway.model.stored import from_json, to_json

log = logging.getLogger("llm_gateway.jobs")

_REQUEST = "request.json"
_REPLY = "reply.txt"
_WAIT = "limit-wait"
#: A prompt has at most 10 MB, and each of its characters takes up to six bytes in JSON.
_MOST_REQUEST_BYTES = 256 << 20
#: The replies that stay in memory after their jobs' ends: how many, and how long each may be.
_MOST_RECENT = 64
_RECENT_CHARS = 32 * 1024
#: Errors that mean "there is no job file": it is missing, or a symlink, FIFO, device or directory has its name.
_NO_FILE = {ENOENT, ELOOP, EINVAL, EISDIR, ENXIO, ENOTDIR, EACCES}


def keep_request(spool: Spool, job_id: JobId, accepted: Accepted) -> bytes:
    """Write an accepted request and return the bytes. Only the names of MCP servers are written: the rest may be secret."""
    named = tuple(McpServer(name=server.name) for server in accepted.request.mcp_servers)
    document = to_json(replace(accepted, request=replace(accepted.request, mcp_servers=named)))
    spool.write(job_id, _REQUEST, document)
    return document


def keep_reply(spool: Spool, job_id: JobId, text: str) -> None:
    """Write the text of a reply, if there is any, and delete the drafts that killed gateways left beside the job.

    Only the job's owner calls this, so no other gateway that is alive needs a draft.
    """
    if text:
        spool.write(job_id, _REPLY, text.encode("utf-8", "surrogatepass"))
    spool.tidy(job_id, (_REQUEST, _REPLY))


def read_reply(spool: Spool, job_id: JobId, of: int, offset: int, most: int) -> str:
    """Return characters of a final reply, from an offset; "" if the reply is not kept any more.

    :param of: the number of characters of the whole reply.
    :param most: the greatest number of characters to return; -1: all.
    """
    if offset >= of:
        return ""
    try:
        with (
            spool.open(job_id, _REPLY) as job_file,
            TextIOWrapper(job_file, encoding="utf-8", errors="surrogatepass", newline="") as file,
        ):
            # If each character is one byte, seek to the offset. Otherwise read and discard the characters before it in pieces.
            left = offset - job_file.seek(offset if job_file.seek(0, os.SEEK_END) == of else 0)
            while left and (skipped := file.read(min(left, 1 << 18))):
                left -= len(skipped)
            return file.read(of - offset if most < 0 else min(most, of - offset))
    except ValueError:  # the file is not text, so the gateway did not write it
        return ""
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        return ""


class JobFiles:
    """The job files that the kernel writes and reads. Methods without `async` block."""

    def __init__(
        self,
        *,
        spool: Spool,
        store: Store,
        engine: Engine,
        providers: Mapping[str, ProviderInfo],
        mcp_servers: Mapping[str, McpServer],
    ) -> None:
        self._spool = spool
        self._store = store
        self._engine = engine
        self._providers = providers
        self._mcp_servers = mcp_servers
        self._guard = threading.Lock()
        self._recent: dict[JobId, str] = {}  # the last short replies that this gateway has kept

    def keep_request(self, job_id: JobId, accepted: Accepted) -> bytes:
        """Write an accepted request into its job's folder and return the bytes."""
        return keep_request(self._spool, job_id, accepted)

    def keep_wait(self, job_id: JobId, until: datetime) -> None:
        """Note that the gateway ends this run because its CLI waits for a limit until then."""
        self._spool.write(job_id, _WAIT, until.isoformat().encode())

    def read_wait(self, job_id: JobId) -> datetime | None:
        """Return until when the CLI of a run would have waited, if the gateway ended the run for that reason."""
        try:
            until = datetime.fromisoformat(self._spool.read(job_id, _WAIT, _MOST_REQUEST_BYTES).decode())
        except (OSError, ValueError):
            return None
        return until if until.tzinfo is not None else None

    def request_sha256(self, job_id: JobId) -> str:
        """Return the digest of the request in a job's folder. Raises OSError."""
        return request_digests.sha256(self._spool.read(job_id, _REQUEST, _MOST_REQUEST_BYTES))

    def forget(self, job_id: JobId) -> None:
        """Delete a job's folder."""
        with self._guard:
            self._recent.pop(job_id, None)
        self._engine.forget(job_id)

    def read_request(self, job: Job, session: Session | None) -> Accepted:
        """Return the accepted request of a job. Raises Interrupted if it cannot be read or was changed.

        :param session: the job's conversation, as the store has it.
        """
        try:
            document = self._spool.read(job.id, _REQUEST, _MOST_REQUEST_BYTES)
            accepted = from_json(Accepted, document) if request_digests.is_unchanged(job, document) else None
            if accepted is None or not request_digests.enters_rightly(job, document, accepted.resume, session):
                raise request_digests.changed(job)
            model = self._providers[job.provider].options_model
            options = model.model_validate(accepted.request.options or {})
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_FILE:
                raise  # a passing error of the machine
            raise Interrupted(f"the job files of {job.id} cannot be read: {error}") from error
        servers = tuple(self._mcp_servers.get(server.name, server) for server in accepted.request.mcp_servers)
        return replace(accepted, request=replace(accepted.request, options=options, mcp_servers=servers))

    async def accepted_request(self, job: Job) -> Accepted:
        """Like `read_request`, with the job's conversation from the store. Does not block."""
        session = await self._store.get_session(job.session_id) if job.session_id else None
        return await to_thread.run_sync(self.read_request, job, session)

    async def was_changed(self, job: Job) -> bool:
        """Return whether the request in a job's folder differs from the accepted one."""
        try:
            await self.accepted_request(job)
        except Interrupted as error:
            if error.notices:
                log.error("security: %s", error.message)
            return bool(error.notices)
        return False

    def keep_reply(self, job_id: JobId, text: str) -> None:
        """Like the function `keep_reply`. A short text also stays in memory: most callers fetch it at once."""
        keep_reply(self._spool, job_id, text)
        if len(text) <= _RECENT_CHARS:
            with self._guard:
                while len(self._recent) >= _MOST_RECENT:
                    del self._recent[next(iter(self._recent))]
                self._recent[job_id] = text

    def read_reply(self, job: Job, offset: int, most: int) -> str:
        """Like the function `read_reply`, for an ended job."""
        of = job.reply.text_chars if job.reply else 0
        return read_reply(self._spool, job.id, of, offset, most)

    async def reply(self, job: Job, offset: int, most: int) -> str:
        """Like `read_reply`, but without blocking."""
        of = job.reply.text_chars if job.reply else 0
        text = self._recent.get(job.id)
        if offset >= of:
            return ""
        if text is not None and len(text) == of:
            return text[offset:] if most < 0 else text[offset : offset + most]
        return await to_thread.run_sync(self.read_reply, job, offset, most)

    def keep_only_reply(self, job: Job) -> None:
        """Delete an ended job's prompt and output."""
        with suppress(OSError, RuntimeError):  # files that remain are deleted with the job
            self._engine.forget(job.id, output_only=True)
            self._spool.delete(job.id, _REQUEST)
