"""Clean up after a run and write its `exit.json`. Standard library and `llm_gateway.files` only: shims use it."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone

from .artifacts import keep_artifacts
from .folder import EXIT, FILES, SPEC, STATE, STDERR, STDIN, STDOUT, Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUN_FILES = "{run_files}"  #: the same text as in the kernel, whose model is too slow to import here
_WRITE_S, _PAUSE_S = 30.0, 0.5


def write_exit(folder: Folder, document: dict[str, Any], artifacts: list[str], cwd: str | None = None) -> None:
    """Keep the artifacts, delete the temporary files and write `exit.json`. The caller holds the lock.

    Retries for `_WRITE_S` seconds, because the disk may be full for a moment. Does nothing if the folder was deleted. Raises OSError.

    :param cwd: the base of artifacts outside the temporary files. None: those are not taken.
    """
    with suppress(OSError):  # the artifacts are empty then
        keep_artifacts(folder, artifacts, RUN_FILES, cwd)
    folder.remove(FILES)
    with suppress(OSError):
        # Drafts of any writer that was killed, also of the gateway.
        folder.remove_drafts(STDIN, SPEC, STATE, EXIT, "request.json", "reply.txt")
    document = {
        **document,
        "ended_at": timestamp(),
        "stdout_bytes": folder.size(STDOUT),
        "stderr_bytes": folder.size(STDERR),
    }
    deadline = time.monotonic() + _WRITE_S
    while not folder.gone:
        try:
            folder.write_json(EXIT, document, durable=True)
        except OSError:
            if time.monotonic() > deadline:
                raise
        else:
            return
        time.sleep(_PAUSE_S)


def timestamp(ago_s: float = 0.0) -> str:
    """The time now, or `ago_s` seconds ago: ISO 8601 in UTC."""
    return (datetime.now(timezone.utc) - timedelta(seconds=ago_s)).isoformat()
