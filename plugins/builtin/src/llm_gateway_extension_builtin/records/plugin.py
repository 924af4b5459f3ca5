"""The hooks."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime, timedelta, timezone
from typing import Literal

from anyio import sleep, to_thread
from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import Annotations, Gateway, Record, Request, Resource, hookimpl
from llm_gateway_extension_builtin.records.index import TextIndex, index_path, remove_index
from llm_gateway_extension_builtin.records.redaction import cut, redacted
from llm_gateway_extension_builtin.records.turns import secrets_of
from llm_gateway_extension_builtin.records.usage_command import USAGE_RESOURCES

#: What any program is given, or what only says where things are: no secrets, and in every text.
_PLAIN = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TERM",
        "COLORTERM",
        "TMPDIR",
        "TMP",
        "TEMP",
        "LANG",
        "LANGUAGE",
        "TZ",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "HOSTNAME",
        "EDITOR",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "LS_COLORS",
    ]
)
_PRUNE_S = 6 * 3600.0
_PLAIN_BEGINNINGS = ("XDG_", "LC_", "LLM_GATEWAY_", "PYTEST_")


class RecordsSettings(BaseModel):
    """`[records]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: Literal["none", "full"] = Field(
        default="none",
        description="What is stored of a turn's text with its record: nothing, or prompt and reply without known secrets.",
    )


@hookimpl
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """One section."""
    return {"records": RecordsSettings}


@hookimpl
def gateway_annotate(gateway: Gateway, record: Record, request: Request | None, reply: str) -> Annotations | None:
    """Store prompt and reply, if the settings say so."""
    settings = gateway.settings.plugins["records"]
    assert isinstance(settings, RecordsSettings)
    if record.ended_at is None or settings.content == "none":
        return None
    hidden = secrets(gateway)
    words = {"prompt": request.prompt.text if request else "", "reply": reply}
    return Annotations(
        words={name: cut(text, lambda part: redacted(part, hidden)) for name, text in words.items() if text}
    )


@hookimpl
def gateway_resources() -> list[Resource]:
    """Return what turns used and cost."""
    return USAGE_RESOURCES


@hookimpl
def gateway_lifespan(gateway: Gateway, serving: bool) -> AbstractAsyncContextManager[object] | None:
    """Remove old texts from the index of `llm-gateway log`, if there is one."""
    return _pruned(gateway, serving) if index_path(gateway.settings.home).exists() else None


@asynccontextmanager
async def _pruned(gateway: Gateway, serving: bool) -> AsyncIterator[None]:
    if serving:
        gateway.tasks.start_soon(_keep_pruning, gateway)
    else:
        await to_thread.run_sync(_prune, gateway)
    yield


async def _keep_pruning(gateway: Gateway) -> None:
    while True:
        await to_thread.run_sync(_prune, gateway)
        await sleep(_PRUNE_S)


def _prune(gateway: Gateway) -> None:
    """Remove the texts of old jobs; all of them if texts are not to be stored. Errors are left to the next search."""
    home = gateway.settings.home
    with suppress(OSError, sqlite3.Error):
        if content_of(gateway) == "none":
            remove_index(home)
            return
        index = TextIndex(home)
        try:
            index.prune(datetime.now(timezone.utc) - timedelta(days=gateway.settings.jobs.retention_days))
        finally:
            index.close()


def content_of(gateway: Gateway) -> str:
    """Return what is stored of a turn's text: `none` or `full`."""
    own = gateway.settings.plugins.get("records")
    return own.content if isinstance(own, RecordsSettings) else "none"


def secrets(gateway: Gateway) -> tuple[str, ...]:
    """Return every value that may be secret."""
    return tuple(secrets_of(gateway, _PLAIN, _PLAIN_BEGINNINGS))
