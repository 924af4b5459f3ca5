"""The entry point."""

from __future__ import annotations

from llm_gateway import hookimpl
from llm_gateway_extension_git.worktree import tree_state


@hookimpl
def gateway_tree_state(directory: str) -> str | None:
    """Digest the working tree around a directory."""
    return tree_state(directory)
