"""Repositories to look at."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from llm_gateway import Budget
from llm_gateway_extension_builtin.git.worktree import tree_state

QUIET = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
_WHO = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *_WHO, *words], cwd=folder, env=QUIET, check=True, capture_output=True, timeout=30)


def make_repository(place: Path, content: str = "one\n") -> Path:
    place.mkdir(parents=True, exist_ok=True)
    git(place, "init", "-q", "-b", "main")
    (place / "kept.py").write_text(content)
    git(place, "add", ".")
    git(place, "commit", "-qm", "first")
    return place


def state(*directories: Path, seconds: float = 20.0, most_bytes: int = 1 << 28) -> str | None:
    return tree_state([str(directory) for directory in directories], Budget(seconds=seconds, most_bytes=most_bytes))
