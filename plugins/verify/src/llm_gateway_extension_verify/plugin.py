"""The hooks of this extension: the command, and what its results mean for later requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from llm_gateway import Command, hookimpl
from llm_gateway_extension_verify.commands import VERIFY

if TYPE_CHECKING:
    from llm_gateway import Annotations, GatewayApi, Proposal, Record, Request, Verdict


class VerifySettings(BaseModel):
    """`[verify]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    refuse_broken_postures: bool = Field(
        False,
        description="Refuse a request whose posture permitted more than it says when `llm-gateway verify` last tried this build.",
    )


class _State:
    """Of the gateway of this process. The hooks pass it to functions."""

    settings = VerifySettings()
    gateway: GatewayApi | None = None


@hookimpl
def gateway_commands() -> Sequence[Command]:
    """The command `verify`."""
    return [VERIFY]


@hookimpl
def gateway_settings() -> Mapping[str, type[BaseModel]]:
    """`[verify]`."""
    return {"verify": VerifySettings}


@hookimpl
def gateway_configure(settings: Mapping[str, BaseModel]) -> None:
    """Store the operator's settings."""
    configured = settings["verify"]
    assert isinstance(configured, VerifySettings)
    _State.settings = configured


@hookimpl
def gateway_lifespan(gateway: GatewayApi) -> AbstractAsyncContextManager[object]:
    """Know the gateway: `gateway_approve` is not given it."""
    return _known(gateway)


@asynccontextmanager
async def _known(gateway: GatewayApi) -> AsyncIterator[None]:
    _State.gateway = gateway
    try:
        yield
    finally:
        if _State.gateway is gateway:
            _State.gateway = None


@hookimpl
def gateway_approve(proposal: Proposal) -> Verdict | None:
    """Deny a broken posture, if the operator wants that."""
    if not _State.settings.refuse_broken_postures or _State.gateway is None:
        return None
    from llm_gateway_extension_verify.verdicts import refuse

    return refuse(_State.gateway, proposal)


@hookimpl
def gateway_annotate(gateway: GatewayApi, record: Record, request: Request | None) -> Annotations | None:
    """Warn of a broken posture before each run."""
    if record.ended_at is not None:
        return None
    from llm_gateway_extension_verify.verdicts import warn

    return warn(gateway, record, request)
