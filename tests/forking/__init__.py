"""Python processes without the start of one: forked from a process that has imported every package already.

A start of the command takes half a second of CPU, nearly all of it for imports. What is forked here is a process of its own,
with its own arguments, environment, directory, streams and exit code; only the interpreter's start and the imports are left
out. A test about these two starts `sys.executable` instead. `REAL_STARTS=1` turns forking off for a whole run; CI does that
in one step.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent
READY_S = 60


@contextmanager
def forked_python() -> Iterator[tuple[str, ...]]:
    """The words to put where `sys.executable` would stand in a command; before `-m module`, `-c code` or a script."""
    if sys.platform != "linux" or os.environ.get("REAL_STARTS"):
        yield (sys.executable,)
        return
    with tempfile.TemporaryDirectory(prefix="forking-") as folder:
        address = f"{folder}/socket"
        server = subprocess.Popen(
            [sys.executable, str(FOLDER / "server.py"), address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert server.stdin
        assert server.stdout
        try:
            assert server.stdout.readline() == b"ready\n", "the server that forks did not start; see its messages above"
            yield (sys.executable, "-I", "-S", str(FOLDER / "client.py"), address)
        finally:
            server.stdin.close()
            server.wait(READY_S)
            server.stdout.close()
