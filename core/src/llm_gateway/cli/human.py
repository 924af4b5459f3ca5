"""Ask the user at the terminal whether a request may run."""

from __future__ import annotations

import os
import sys

import anyio

from llm_gateway.cli.screen import is_terminal, say, shown, styled
from llm_gateway.model.operation import AskHuman

_YES = ("y", "yes")


def terminal_approval() -> AskHuman | None:
    """Return a function that asks the user at the terminal. None if stdin or stderr is not a terminal."""
    return _ask if is_terminal(sys.stdin) and is_terminal(sys.stderr) else None


async def _ask(question: str) -> bool | None:
    say(styled(shown(question, sys.stderr), "yellow", sys.stderr), sys.stderr)
    sys.stderr.write("Allow this request once? [y/N] ")
    sys.stderr.flush()
    await anyio.wait_readable(sys.stdin)  # readable after the user entered a line; Ctrl-C can cancel this wait
    line = os.read(sys.stdin.fileno(), 4096)
    return line.decode(errors="replace").strip().lower() in _YES if line else None
