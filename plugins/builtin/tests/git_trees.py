"""The state of directories, with a budget that no test uses up by accident."""

from __future__ import annotations

from pathlib import Path

from llm_gateway import Budget
from llm_gateway_extension_builtin.git.worktree import tree_state


def state(*directories: Path, seconds: float = 20.0, most_bytes: int = 1 << 28) -> str | None:
    return tree_state([str(directory) for directory in directories], Budget(seconds=seconds, most_bytes=most_bytes))
