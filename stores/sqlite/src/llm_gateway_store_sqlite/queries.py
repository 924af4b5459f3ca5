"""Loads `queries.sql`: each query follows a line `-- name: <name>`; other comment lines explain it."""

from __future__ import annotations

import os

from llm_gateway.files import read_regular

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from collections.abc import Iterable

_FILE = os.path.join(os.path.dirname(__file__), "queries.sql")
_MOST_BYTES = 1 << 20


def parse(text: str) -> dict[str, str]:
    """Cut a file of named queries into name -> SQL, without the comments."""
    queries: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        name, _, body = block.partition("\n")
        lines = [line for line in body.splitlines() if line.strip() and not line.lstrip().startswith("--")]
        if name.strip() in queries or not lines:
            raise ValueError(f"query {name.strip()!r} is empty or defined twice")
        queries[name.strip()] = "\n".join(lines).rstrip(";")
    return queries


def listed(states: Iterable[str] | None) -> str | None:
    """Return the value of a query's parameter `states`; None: every state."""
    return None if states is None else f",{','.join(states)},"


SQL = parse(read_regular(_FILE, most_bytes=_MOST_BYTES, follow=True).decode())
