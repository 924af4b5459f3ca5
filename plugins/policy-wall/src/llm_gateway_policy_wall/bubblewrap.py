"""Check whether a wall can be built on this machine, by running bubblewrap once for each build of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from llm_gateway import LocationError, expand_user, owned
from llm_gateway.programs import find_executable

_TIMEOUT_S = 5.0
#: The options that a wall needs from the system, for a test run with a program that does nothing.
_TEST_OPTIONS = (
    *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--die-with-parent", "--"),  # noqa: S108
)
_INSTALL = "Install bubblewrap (`apt install bubblewrap`, `dnf install bubblewrap`) or set [wall] required = false."
_NAMESPACES = (
    "The kernel or a container refuses unprivileged user namespaces: allow them (kernel.unprivileged_userns_clone, "
    "user.max_user_namespaces, an AppArmor profile for bwrap), or set [wall] required = false."
)
_results: dict[tuple[str, int, int], str] = {}


def find(configured: Path | None, environ: Mapping[str, str]) -> str | None:
    """Return the path of `bwrap`; None: it is not installed. Blocking: a few stat calls."""
    if configured is None:
        return find_executable("bwrap", environ)
    try:
        return find_executable(expand_user(str(configured), environ), environ)
    except LocationError:  # the path begins with ~, and the home is not known
        return None


def trouble(configured: Path | None, environ: Mapping[str, str]) -> str:
    """Return why no wall can be built, and what to do; "" if one can. Blocking: about 10 ms at the first call."""
    if not sys.platform.startswith("linux"):
        return "Bubblewrap needs Linux. Set [wall] required = false to run without a wall here."
    program = find(configured, environ)
    if program is None:
        where = f"at {configured}" if configured else "on the gateway's PATH"
        return f"`bwrap` was not found {where}. {_INSTALL}"
    facts = os.stat(program)
    key = (os.path.realpath(program), facts.st_size, facts.st_mtime_ns)
    if key not in _results:
        _results[key] = _test(program, environ)
    return _results[key]


def version(program: str) -> str:
    """Return the output of `bwrap --version`; "" if it prints nothing."""
    try:
        with owned(os.environ) as env:
            done = subprocess.run(
                [program, "--version"], env=env, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
            )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _test(program: str, environ: Mapping[str, str]) -> str:
    true = find_executable("true", environ) or "/bin/true"
    try:
        with owned(os.environ) as env:
            done = subprocess.run(
                [program, *_TEST_OPTIONS, true],
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return f"`{program}` did not end within {_TIMEOUT_S:.0f} s."
    except OSError as error:
        return f"`{program}` did not start: {error.strerror}. {_INSTALL}"
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:] or f"exit code {done.returncode}"
        return f"`{program}` cannot build a wall: {reason}. {_NAMESPACES}"
    return ""
