"""What will be executed, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

#: In argv, env values and artifact paths this stands for the folder that holds the run's temporary files.
RUN_FILES = "{run_files}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One command, built by a provider; nothing here has touched the disk."""

    argv: tuple[str, ...]  #: argv[0] is the program's name; the gateway finds it on its own PATH
    stdin: bytes | None = None  #: None: /dev/null
    env: Mapping[str, str] = field(default_factory=dict)  #: added to the allowed environment
    files: Mapping[str, bytes] = field(default_factory=dict)  #: name -> content, made in RUN_FILES, gone after the run
    #: Files to hand to the reader after the run. `RUN_FILES/folder/*`: what lies there, joined in the order of its names.
    artifacts: tuple[str, ...] = ()
    warnings: tuple[Notice, ...] = ()
    hosts: tuple[
        str, ...
    ] = ()  #: addresses of services that the operator chose, beyond `ProviderInfo.hosts`: `https://host:port`


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something the caller should know although the request went on."""

    code: str
    message: str
    details: Mapping[str, object] = field(default_factory=dict)


class EndReason(str, Enum):
    """Why a run ended."""

    EXITED = "exited"  #: by itself, with a code or by a signal that was not ours
    CANCELED = "canceled"
    TIMEOUT = "timeout"
    IDLE_TIMEOUT = "idle_timeout"
    OUTPUT_OVERFLOW = "output_overflow"
    RESOURCE_LIMIT = (
        "resource_limit"  #: over its memory or number of processes; `detail` says which and names the setting
    )
    SPAWN_FAILED = "spawn_failed"  #: the program could not be started; `detail` says why
    VANISHED = "vanished"  #: its shim was killed; what it wrote was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended, as its shim wrote it down."""

    reason: EndReason
    exit_code: int | None = None
    signal: int | None = None
    detail: str = ""
    started_at: datetime | None = None
    ended_at: datetime
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    #: stream -> (first missing byte, first kept byte again), where the middle was given back to the disk
    holes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    killed_descendants: int = 0
    artifacts: Mapping[str, bytes] = field(default_factory=dict)  #: path -> content; empty when the file is missing

    @property
    def killed_by(self) -> int | None:
        """The signal that ended the program: its own, or one that a shell around it reports as exit code 128 + number."""
        shells = self.exit_code - 128 if self.exit_code is not None else 0
        return self.signal or (shells if 1 <= shells <= 31 else None)

    @property
    def truncated(self) -> bool:
        """Whether output is missing."""
        return bool(self.holes) or self.reason is EndReason.OUTPUT_OVERFLOW
