"""The hooks of this extension."""

from __future__ import annotations

from collections.abc import Sequence

from llm_gateway import Command, hookimpl
from llm_gateway_extension_verify.commands import VERIFY


@hookimpl
def gateway_commands() -> Sequence[Command]:
    """The command `verify`."""
    return [VERIFY]
