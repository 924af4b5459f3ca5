"""Looking at processes from outside: who carries a job's id, and when one of them is gone."""

from __future__ import annotations

import os
import select
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from anyio import to_thread

from llm_gateway import Engine, JobId


def marked(jobs: Collection[str]) -> set[int]:
    """The processes whose environment names one of these jobs; none where the system does not show them."""
    marks = {b"LLM_GATEWAY_JOB=" + os.fsencode(job) for job in jobs}
    found = set()
    for name in os.listdir("/proc") if Path("/proc/self/environ").exists() else ():
        if name.isdigit():
            with suppress(OSError):  # gone, or somebody else's
                if marks & set(Path(f"/proc/{name}/environ").read_bytes().split(b"\0")):
                    found.add(int(name))
    return found


def gone(pid: int, seconds: float) -> None:
    """Wait, not longer than this, until a process has ended."""
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            select.select([fd], [], [], seconds)
        finally:
            os.close(fd)


async def said(engine: Engine, job_id: JobId, words: bytes) -> bytes:
    """Wait until a run has said this; all that it has said."""
    output = b""
    async for _ in engine.changes(job_id):
        output = await to_thread.run_sync(engine.read_output, job_id, "stdout", 0, 1 << 20)
        if words in output:
            break
    assert words in output, f"it ended without saying {words!r}: {output!r}"
    return output
