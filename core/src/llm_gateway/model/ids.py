"""The three kinds of session id, job ids, and how new ones are made."""

from __future__ import annotations

import os
import time
from typing import NewType

JobId = NewType("JobId", str)  #: `job-…`; sorts by creation time
SessionId = NewType("SessionId", str)  #: the gateway's, `gw-…`; never passed to a CLI
NativeSessionId = NewType("NativeSessionId", str)  #: the CLI's own


def new_job_id() -> JobId:
    """Make a job id: 11 hex digits of milliseconds, then 16 random ones (so ids cannot be guessed)."""
    return JobId(f"job-{time.time_ns() // 1_000_000:011x}{os.urandom(8).hex()}")


def new_session_id() -> SessionId:
    """Make a gateway session id."""
    return SessionId(f"gw-{os.urandom(16).hex()}")
