"""The command of a run, and how the run ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

#: In argv, env values and artifact paths, this text is replaced by the path of the folder of the run's temporary files.
RUN_FILES = "{run_files}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One command, built by a provider. Nothing has been written to disk yet."""

    argv: tuple[str, ...]  #: argv[0] is the program's name; the gateway searches its own PATH
    stdin: bytes | None = None  #: the content of standard input; None: /dev/null
    env: Mapping[str, str] = field(default_factory=dict)  #: variables added to the allowed environment
    #: Name -> content, created in RUN_FILES, deleted after the run
    files: Mapping[str, bytes] = field(default_factory=dict)
    #: Files for the reader after the run. `RUN_FILES/folder/*`: all files in that folder, concatenated in order of name.
    artifacts: tuple[str, ...] = ()
    warnings: tuple[Notice, ...] = ()  #: shown to the caller

    #: Addresses of services that the operator chose, besides `ProviderInfo.hosts`: `https://host:port`
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A warning for the caller; the request continued."""

    code: str  #: stable, in snake_case, such as `cache_break`
    message: str  #: for people
    details: Mapping[str, object] = field(default_factory=dict)  #: for programs: plain JSON, keys in camelCase


class EndReason(str, Enum):
    """Why a run ended."""

    EXITED = "exited"  #: by itself, with a code or by a signal that the gateway did not send
    CANCELED = "canceled"  #: by a caller
    TIMEOUT = "timeout"  #: reached `timeout_s`
    IDLE_TIMEOUT = "idle_timeout"  #: reached `idle_timeout_s`
    OUTPUT_OVERFLOW = "output_overflow"  #: exceeded the output limit, where the output cannot be trimmed
    #: Exceeded its memory or number of processes; `detail` says which and names the setting.
    RESOURCE_LIMIT = "resource_limit"
    SPAWN_FAILED = "spawn_failed"  #: the program could not be started; `detail` says why
    VANISHED = "vanished"  #: its shim was killed; the output so far was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended, as its shim recorded it."""

    reason: EndReason  #: why it ended
    exit_code: int | None = None  #: None: ended by a signal, or never started
    signal: int | None = None  #: the number of the signal that ended it
    detail: str = ""  #: the cause, for people
    started_at: datetime | None = None  #: aware UTC
    ended_at: datetime  #: aware UTC

    stdout_bytes: int = 0  #: bytes written, including removed ones
    stderr_bytes: int = 0  #: bytes written, including removed ones
    #: stream -> (offset of the first missing byte, offset of the next kept byte), if the middle of the output was removed
    holes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    killed_descendants: int = 0  #: processes that still ran after the agent's end and were killed

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
