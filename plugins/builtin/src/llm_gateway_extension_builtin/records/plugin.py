"""The hooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import Annotations, Gateway, Record, Request, hookimpl
from llm_gateway_extension_builtin.records.redaction import cut, redacted

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
_PLAIN_BEGINNINGS = ("XDG_", "LC_", "LLM_GATEWAY_", "PYTEST_")


class RecordsSettings(BaseModel):
    """`[records]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: Literal["none", "full"] = Field(
        default="none",
        description="What is stored of a turn's text with its record: nothing, or prompt and reply without known secrets.",
    )


class _Set:
    """What the operator set."""

    settings = RecordsSettings()


@hookimpl
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """One section."""
    return {"records": RecordsSettings}


@hookimpl
def gateway_configure(settings: Mapping[str, BaseModel]) -> None:
    """Take it in."""
    own = settings["records"]
    assert isinstance(own, RecordsSettings)
    _Set.settings = own


@hookimpl
def gateway_annotate(gateway: Gateway, record: Record, request: Request | None, reply: str) -> Annotations | None:
    """Store prompt and reply, if the settings say so."""
    if record.ended_at is None or _Set.settings.content == "none":
        return None
    secrets = tuple(_secrets(gateway))
    words = {"prompt": request.prompt.text if request else "", "reply": reply}
    return Annotations(
        words={name: cut(text, lambda part: redacted(part, secrets)) for name, text in words.items() if text}
    )


def _secrets(gateway: Gateway) -> Iterator[str]:
    """Every value that may be secret: of the environment, and of the settings' tables of environment variables."""
    for name, value in gateway.environ.items():
        if name not in _PLAIN and not name.startswith(_PLAIN_BEGINNINGS):
            yield value
    for section in gateway.settings.providers.values():
        yield from section.env.values()
    for server in gateway.mcp_servers.values():
        yield from server.env.values()
