"""The end of a run: read `exit.json`, or write it in place of a shim that is gone.

The agent can write to `exit.json`, `state.json` and `spec.json`. Every value is validated; an invalid document counts as missing.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from llm_gateway import EndReason, JobId, RunEnd
from llm_gateway_engine_local.shim import ending, resources

from .artifacts import read_artifact
from .conclusion import write_exit
from .folder import CANCEL, EXIT, SPEC, STATE, STDERR, STDOUT, Folder
from .holder import recorded_process

_T = TypeVar("_T")
_EARLIEST, _LATEST = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2000, 9000))
_LONGEST = timedelta(days=30)  #: of a run; the time limit ends each after a day
_MOST_BYTES = 1 << 53
_MOST_PROCESSES = 1 << 22
_MOST_ARTIFACTS = 64
_MOST_CHARS = 4096


def conclude_without_shim(folder: Folder, job_id: JobId) -> None:
    """Write `exit.json` in place of a shim that is gone or never started. The caller holds the lock, if it could be taken.

    Kills what the run left behind first.
    """
    if not folder.has(STATE):
        canceled = folder.has(CANCEL)
        document: dict[str, Any] = {"reason": "canceled" if canceled else "spawn_failed"}
        if not canceled:
            document["detail"] = "No shim could be started."
        write_exit(folder, document, [])
        return
    resources.end_group(folder.read_json_or_nothing(STATE).get("cgroup"), job_id)
    killed = ending.end_leftovers(job_id, recorded_process(folder, "agent"))
    document = {
        "reason": "vanished",
        "detail": "Its shim was killed, or what it wrote was damaged.",
        "killed_descendants": killed,
        "holes": {name: hole for name in (STDOUT, STDERR) if (hole := _find_hole(folder, name))},
    }
    started_at = parse_time(folder.read_json_or_nothing(STATE).get("started_at"))
    if started_at:
        document["started_at"] = started_at.isoformat()
    write_exit(folder, document, _names(folder.read_json_or_nothing(SPEC).get("artifacts")))


def read_end(folder: Folder) -> RunEnd | None:
    """How a run ended. None: `exit.json` is missing or not valid."""
    document = folder.read_json_or_nothing(EXIT)
    try:
        reason = EndReason(document.get("reason"))
    except ValueError:
        return None
    ended_at = parse_time(document.get("ended_at"))
    if ended_at is None:
        return None
    started_at = parse_time(document.get("started_at"))
    if started_at is not None and not timedelta() <= ended_at - started_at <= _LONGEST:
        started_at = None
    detail = document.get("detail")
    names = _names(folder.read_json_or_nothing(SPEC).get("artifacts"))
    return RunEnd(
        reason=reason,
        exit_code=_number(document.get("exit_code"), 255, None),
        signal=_number(document.get("signal"), 127, None),
        detail=detail[:_MOST_CHARS] if isinstance(detail, str) else "",
        started_at=started_at,
        ended_at=ended_at,
        stdout_bytes=_number(document.get("stdout_bytes"), _MOST_BYTES, 0),
        stderr_bytes=_number(document.get("stderr_bytes"), _MOST_BYTES, 0),
        holes=_holes(folder, document.get("holes")),
        killed_descendants=_number(document.get("killed_descendants"), _MOST_PROCESSES, 0),
        artifacts={name: read_artifact(folder, place) for place, name in enumerate(names)},
    )


def vanished(detail: str) -> RunEnd:
    """The end of a run whose folder cannot be read any more."""
    return RunEnd(reason=EndReason.VANISHED, detail=detail, ended_at=datetime.now(timezone.utc))


def parse_time(value: object) -> datetime | None:
    """Parse a time of an engine document. None for anything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found if found.tzinfo is not None and _EARLIEST <= found <= _LATEST else None
    except (ValueError, OverflowError):
        return None


def _number(value: object, most: int, otherwise: _T) -> int | _T:
    """A whole number between 0 and `most`; `otherwise` for anything else."""
    return value if type(value) is int and 0 <= value <= most else otherwise


def _holes(folder: Folder, value: object) -> dict[str, tuple[int, int]]:
    found = {}
    for name in (STDOUT, STDERR) if isinstance(value, dict) else ():
        hole = value.get(name)  # type: ignore[attr-defined]  # a dict, see above
        if isinstance(hole, list) and len(hole) == 2 and all(type(edge) is int for edge in hole):
            start, end = hole
            if 0 <= start < end <= folder.size(name):
                found[name] = (start, end)
    return found


def _names(value: object) -> list[str]:
    names = value if isinstance(value, list) else []
    return [name for name in names[:_MOST_ARTIFACTS] if isinstance(name, str) and len(name) <= _MOST_CHARS]


def _find_hole(folder: Folder, name: str) -> tuple[int, int] | None:
    """Find the hole in a file that a shim made before it was killed."""
    size = folder.size(name)
    if not size or not hasattr(os, "SEEK_HOLE"):
        return None
    try:
        fd = folder.open(name, os.O_RDONLY)
    except OSError:
        return None
    try:
        start = os.lseek(fd, 0, os.SEEK_HOLE)
        return (start, os.lseek(fd, start, os.SEEK_DATA)) if start < size else None
    except OSError:
        return None
    finally:
        os.close(fd)
