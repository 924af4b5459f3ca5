"""Asking the person at the terminal whether a request may run."""

from __future__ import annotations

import os
import sys

import anyio

from llm_gateway.cli.screen import looked_at, say, shown, styled
from llm_gateway.model.operation import AskHuman

_YES = ("y", "yes")


def person() -> AskHuman | None:
    """A way to ask whoever sits at the terminal; None where nobody reads our words or could answer."""
    return _ask if looked_at(sys.stdin) and looked_at(sys.stderr) else None


async def _ask(question: str) -> bool | None:
    say(styled(shown(question, sys.stderr), "yellow", sys.stderr), sys.stderr)
    sys.stderr.write("Let it run, this once? [y/N] ")
    sys.stderr.flush()
    await anyio.wait_readable(sys.stdin)  # a terminal is readable once a line was entered, and so Ctrl-C ends the wait
    line = os.read(sys.stdin.fileno(), 4096)
    return line.decode(errors="replace").strip().lower() in _YES if line else None
