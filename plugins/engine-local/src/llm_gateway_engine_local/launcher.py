"""Launch runs: write `spec.json` and `stdin`, and have the starter start a shim. One attempt is safe to repeat."""

from __future__ import annotations

import os
from dataclasses import dataclass

from llm_gateway import RunSpec

from .shim import fork_server
from .shim.starter import Starter
from .spool.folder import EXIT, SPEC, STATE, STDIN, Folder, plain_parts

#: After this many attempts the run fails. The second half does without the fork server.
MOST_ATTEMPTS = 6
_FIRST_PAUSE_S, _PAUSE_FACTOR = 0.01, 4


@dataclass(slots=True)
class Launch:
    """A run that this gateway launched: the message to its shim, and the descriptor that the shim holds."""

    message: bytes
    fd: int  #: reads end-of-file when the shim has ended; -1: it has
    attempts: int = 1
    started: bool = False  #: the shim reported that it started the run

    @property
    def pause_s(self) -> float:
        """How long to wait before the next attempt: the machine may be out of processes. 2.5 seconds before the last."""
        return float(_FIRST_PAUSE_S * _PAUSE_FACTOR ** (self.attempts - 1))

    def read_status(self) -> None:
        """Read what the shim reported, which may be its end."""
        if self.fd < 0:
            return
        try:
            report = os.read(self.fd, 64)
        except BlockingIOError:  # another waiter read it
            return
        if report:
            self.started = True
        else:
            self.close()

    def close(self) -> None:
        """Close the descriptor. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


class Launcher:
    """Starts shims for one engine. Methods block shortly."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    def launch(self, path: str, spec: RunSpec) -> Launch | None:
        """Start the shim of a run. None: the run was started before.

        :param path: the job's folder.

        Raises ValueError for a file name that would leave the folder, and OSError.
        """
        for name in spec.files:
            plain_parts(name)
        document = spec_document(spec)
        with Folder(path, create=True) as folder:
            if folder.has(STATE) or folder.has(EXIT):
                return None
            folder.remove_drafts(STDIN, SPEC)  # of a gateway that was killed while it wrote them
            if spec.stdin is not None:
                folder.write(STDIN, spec.stdin)
            folder.write_json(SPEC, document)
        message = fork_server.pack(path, document, dict(spec.env), dict(spec.files))
        return Launch(message, self._starter.start(message))

    def start_again(self, launch: Launch) -> None:
        """Start another shim for a run whose first shim never started it. Raises OSError."""
        launch.attempts += 1
        launch.close()
        alone = launch.attempts > MOST_ATTEMPTS // 2
        launch.fd = self._starter.start(launch.message, alone=alone)

    def close(self) -> None:
        """End the fork server. Idempotent."""
        self._starter.close()


def spec_document(spec: RunSpec) -> dict[str, object]:
    """The content of `spec.json`. Names of environment variables, never their values."""
    return {
        "argv": spec.argv,
        "cwd": spec.cwd,
        "env": sorted(spec.env),
        "stdin": spec.stdin is not None,
        "limits": {
            "timeout_s": spec.timeout_s,
            "idle_timeout_s": spec.idle_timeout_s,
            "output_bytes": spec.output_bytes,
            "memory_bytes": spec.memory_bytes,
            "processes": spec.processes,
            "cpu": spec.cpu,
        },
        "end_steps": [(int(step.signal), step.grace_s) for step in spec.end_steps],
        "artifacts": spec.artifacts,
    }
