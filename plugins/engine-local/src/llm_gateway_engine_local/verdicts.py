"""What is said of a run that is over: written in the place of a keeper that is gone, and read."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from typing import Any

from llm_gateway import RUN_FILES, EndReason, JobId, RunEnd

from . import ending, keeper
from .folder import ARTIFACTS, CANCEL, EXIT, SPEC, STATE, STDERR, STDOUT, Folder
from .identity import Identity


def give_verdict(folder: Folder, job_id: JobId) -> None:
    """Write `exit.json` in the place of a keeper that is gone or never came. The caller holds the lock."""
    state, spec = folder.read_json(STATE), folder.read_json(SPEC) or {}
    if state is None:
        canceled = folder.has(CANCEL)
        document: dict[str, Any] = {"reason": "canceled" if canceled else "spawn_failed"}
        if not canceled:
            document["detail"] = "No keeper could be started."
        keeper.conclude(folder, document, [])
        return
    killed = ending.end_leftovers(job_id, Identity.from_dict(state.get("agent")))
    document = {
        "reason": "vanished",
        "detail": "Its keeper was killed.",
        "started_at": state["started_at"],
        "killed_descendants": killed,
        "holes": {name: hole for name in (STDOUT, STDERR) if (hole := _find_hole(folder, name))},
    }
    keeper.conclude(folder, document, spec.get("artifacts", []))


def read_end(folder: Folder) -> RunEnd:
    document, spec = folder.read_json(EXIT), folder.read_json(SPEC) or {}
    assert document is not None
    started_at = document.get("started_at")
    limit = spec.get("limits", {}).get("output_bytes", 0)
    return RunEnd(
        reason=EndReason(document["reason"]),
        exit_code=document.get("exit_code"),
        signal=document.get("signal"),
        detail=document.get("detail", ""),
        started_at=datetime.fromisoformat(started_at) if started_at else None,
        ended_at=datetime.fromisoformat(document["ended_at"]),
        stdout_bytes=document["stdout_bytes"],
        stderr_bytes=document["stderr_bytes"],
        holes={name: (hole[0], hole[1]) for name, hole in document.get("holes", {}).items()},
        killed_descendants=document.get("killed_descendants", 0),
        artifacts={
            path: _read_artifact(folder, number, path, spec["cwd"], limit)
            for number, path in enumerate(spec.get("artifacts", []))
        },
    )


def _read_artifact(folder: Folder, number: int, path: str, cwd: str, limit: int) -> bytes:
    """At most as much as is kept of a stream; empty for what is missing or no plain file."""
    inside = RUN_FILES in path
    where = os.path.join(folder.path, ARTIFACTS, str(number)) if inside else os.path.join(cwd, path)
    try:
        fd = os.open(where, os.O_RDONLY | os.O_NONBLOCK | (os.O_NOFOLLOW if inside else 0))
    except OSError:
        return b""
    with os.fdopen(fd, "rb") as file:
        return file.read(limit) if stat.S_ISREG(os.fstat(fd).st_mode) else b""


def _find_hole(folder: Folder, name: str) -> tuple[int, int] | None:
    """Ask the file itself for the hole that a keeper made before it was killed."""
    size = folder.size(name)
    if not size or not hasattr(os, "SEEK_HOLE"):
        return None
    fd = folder.open(name, os.O_RDONLY)
    try:
        start = os.lseek(fd, 0, os.SEEK_HOLE)
        return (start, os.lseek(fd, start, os.SEEK_DATA)) if start < size else None
    except OSError:
        return None
    finally:
        os.close(fd)
