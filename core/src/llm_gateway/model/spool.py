"""Where the files beside a job are kept: the accepted request, the reply, and notes of the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO, Protocol

from llm_gateway.model.ids import JobId


class Spool(Protocol):
    """The job files of an engine. The kernel decides what is written, the spool where. Every method blocks: call it in a thread.

    An engine with an own spool has a method `spool() -> Spool`. For other engines the files are in `<home>/jobs/<job id>`, beside
    those of the run. `Engine.forget` deletes them with the rest of the job.

    A file that is missing, or that the gateway cannot have written, is an OSError such as FileNotFoundError. A passing error of
    the machine is another OSError.
    """

    def write(self, job_id: JobId, name: str, data: bytes) -> None:
        """Write a file whole or not at all, so that it is kept when the machine fails. Replaces an earlier one.

        Raises Interrupted if the file can never be written.
        """

    def read(self, job_id: JobId, name: str, most_bytes: int) -> bytes:
        """Return the content of a file, at most that many bytes of it. Raises OSError if there is none."""

    def open(self, job_id: JobId, name: str) -> BinaryIO:
        """Open a file to read parts of it; it can be sought. Raises OSError."""

    def delete(self, job_id: JobId, name: str) -> None:
        """Delete a file. Raises OSError if there is none."""

    def tidy(self, job_id: JobId, names: Sequence[str]) -> None:
        """Delete what interrupted writes of these files have left. Only the job's owner calls this; never raises OSError."""

    def leftovers(self, before: datetime) -> Sequence[JobId]:
        """Return the jobs of which something is kept that has not changed since then; aware."""
