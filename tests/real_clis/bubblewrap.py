"""A bubblewrap that works here: the machine's own, or the one that Codex's package carries, so that npm is all it takes."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.busy import PATIENCE_S
from tests.real_clis.installing import CannotInstall
from tests.real_clis.programs import installed

CARRIED = "node_modules/@openai/codex-linux-*/vendor/*/codex-resources/bwrap"


@cache
def path_with_bubblewrap() -> str:
    """PATH, and if need be a folder before it. Raises CannotInstall with what `bwrap` says, such as that the kernel refuses."""
    path, complaints = os.environ["PATH"], []
    if own := shutil.which("bwrap"):
        if not (said := _complaint(own)):
            return path
        complaints.append(f"{own}: {said}")
    for carried in installed("codex").parents[2].glob(CARRIED):
        if not (said := _complaint(str(carried))):
            return f"{Path(carried).parent}{os.pathsep}{path}"
        complaints.append(f"{carried}: {said}")
    raise CannotInstall("; ".join(complaints) or "Codex's package carries no bwrap for this machine")


def _complaint(program: str) -> str:
    """Why no wall can be built with it; "" if one can."""
    command = [program, "--unshare-pid", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.stderr.strip() or f"exit code {done.returncode}" if done.returncode else ""
