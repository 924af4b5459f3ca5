"""The turns of the user with their texts: from the job's files, or from the records if the files are gone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anyio import to_thread

from llm_gateway import CallContext, Gateway, Job, job_view, prompt_of, wire_object
from llm_gateway_extension_builtin.records.redaction import redacted

#: How many of the newest jobs a search or an export looks at.
MOST_JOBS = 5000
_SNIPPET = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One job and its texts; empty: not kept."""

    job: Job
    prompt: str
    reply: str

    def view(self) -> dict[str, Any]:
        """Return the turn for JSON."""
        usage = self.job.reply.usage if self.job.reply else None
        tokens = {} if usage is None else {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        return {**job_view(self.job), **wire_object(**tokens, prompt=self.prompt or None, reply=self.reply or None)}


async def newest_jobs(
    gateway: Gateway, *, provider: str | None, since: datetime | None, limit: int = MOST_JOBS
) -> list[Job]:
    """Return the user's newest jobs, newest first.

    :param since: only jobs that were created at this time or later; aware.
    """
    principal = CallContext().principal
    jobs = await gateway.store.list_jobs(principal=principal, provider=provider, limit=limit)
    return [job for job in jobs if since is None or job.created_at >= since]


async def turn_of(gateway: Gateway, job: Job) -> Turn:
    """Return a job with its texts."""
    prompt = await to_thread.run_sync(prompt_of, gateway.settings.home, job.id) or ""
    reply = await gateway.jobs.reply(job) if job.state.ended else ""
    if prompt and (reply or job.reply is None or job.reply.empty):
        return Turn(job=job, prompt=prompt, reply=reply)
    words = await _recorded(gateway, job)
    return Turn(job=job, prompt=prompt or words.get("prompt", ""), reply=reply or words.get("reply", ""))


async def _recorded(gateway: Gateway, job: Job) -> Mapping[str, str]:
    """Return the texts in the job's record. A store need not be able to return them."""
    read = getattr(gateway.store, "record_words", None)
    if read is None:
        return {}
    words: Mapping[str, str] = await read(job.id)
    return words


async def matching(gateway: Gateway, jobs: list[Job], text: str | None, limit: int) -> AsyncIterator[Turn]:
    """Yield the first turns that contain all words, by reading each. Without a text: the first turns."""
    wanted, found = patterns(text or ""), 0
    for job in jobs:
        if found == limit:
            return
        turn = await turn_of(gateway, job)
        if await to_thread.run_sync(_has_all, f"{turn.prompt}\n{turn.reply}", wanted):
            found += 1
            yield turn


def _has_all(text: str, wanted: list[re.Pattern[str]]) -> bool:
    return all(pattern.search(text) for pattern in wanted)


def patterns(text: str) -> list[re.Pattern[str]]:
    """Return a pattern for each word of a search: it finds words that begin with it."""
    return [re.compile(rf"(?<!\w){re.escape(word)}", re.IGNORECASE) for word in re.findall(r"\w+", text)]


def snippet(turn: Turn, text: str) -> str:
    """Return the text around the first place that a search found."""
    for source in (turn.prompt, turn.reply):
        for pattern in patterns(text):
            if found := pattern.search(source):
                begin = max(0, found.start() - _SNIPPET // 2)
                return ("…" if begin else "") + source[begin : begin + 3 * _SNIPPET]
    return turn.prompt[: 3 * _SNIPPET]


def secrets_of(gateway: Gateway, plain: frozenset[str], beginnings: tuple[str, ...]) -> Iterator[str]:
    """Yield every value that may be secret: of the environment, and of the settings' tables of environment variables."""
    for name, value in gateway.environ.items():
        if name not in plain and not name.startswith(beginnings):
            yield value
    for section in gateway.settings.providers.values():
        yield from section.env.values()
    for server in gateway.mcp_servers.values():
        yield from server.env.values()


def without_secrets(turn: Turn, secrets: tuple[str, ...]) -> Turn:
    """Return a turn without known secrets in its texts."""
    return Turn(job=turn.job, prompt=redacted(turn.prompt, secrets), reply=redacted(turn.reply, secrets))
