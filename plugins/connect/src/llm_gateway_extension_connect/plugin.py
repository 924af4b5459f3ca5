"""The hook that names the two commands. They are declared as entry points, too, so that they are found without this module."""

from __future__ import annotations

from collections.abc import Sequence

from llm_gateway import Command, hookimpl
from llm_gateway_extension_connect.commands import CONNECT, DISCONNECT


@hookimpl
def gateway_commands() -> Sequence[Command]:
    """The two commands."""
    return [CONNECT, DISCONNECT]
