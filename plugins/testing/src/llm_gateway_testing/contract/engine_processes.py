"""Find the processes of a job from outside the engine, and wait until they have ended."""

from __future__ import annotations

import os
import select
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from anyio import to_thread

from llm_gateway import Engine, JobId


def marked(jobs: Collection[str]) -> set[int]:
    """Return the processes whose environment names one of these jobs. Empty on a system without `/proc`."""
    marks = {b"LLM_GATEWAY_JOB=" + os.fsencode(job) for job in jobs}
    found: set[int] = set()
    if not Path("/proc/self/environ").exists():
        return found
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with suppress(OSError):  # the process has ended or belongs to another user
            if marks & set(Path(f"/proc/{name}/environ").read_bytes().split(b"\0")):
                found.add(int(name))
    return found


def gone(pid: int, seconds: float) -> None:
    """Wait until a process has ended, at most this many seconds."""
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            select.select([fd], [], [], seconds)
        finally:
            os.close(fd)


async def wait_for_output(engine: Engine, job_id: JobId, expected: bytes) -> bytes:
    """Wait until stdout of a run contains `expected`, and return all of stdout so far."""
    output = b""
    async for _ in engine.changes(job_id):
        output = await to_thread.run_sync(engine.read_output, job_id, "stdout", 0, 1 << 20)
        if expected in output:
            break
    assert expected in output, f"the run ended, and its output does not contain {expected!r}: {output!r}"
    return output
