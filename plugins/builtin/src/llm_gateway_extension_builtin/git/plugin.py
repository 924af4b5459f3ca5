"""The entry point."""

from __future__ import annotations

from collections.abc import Sequence

from llm_gateway import Budget, hookimpl
from llm_gateway_extension_builtin.git.worktree import tree_state


@hookimpl
def gateway_tree_state(directories: Sequence[str], budget: Budget) -> str | None:
    """Digest directories and the working trees around them."""
    return tree_state(directories, budget)
