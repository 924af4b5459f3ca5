"""Bring the official suite, the inspector and a Node that can run them, pinned, into the ignored folder `.cache/clis/`.

python tests/conformance/installing.py
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
from functools import cache
from pathlib import Path

import pytest

from tests.real_clis.installing import FOLDER, npm_install

#: The suite uses what Node 20 does not have; npm brings a Node like any other package.
NODE = (
    f"node-{platform.system().lower()}-{'arm64' if platform.machine() in {'arm64', 'aarch64'} else 'x64'}",
    "22.23.3",
)
INSPECTOR = ("@modelcontextprotocol/inspector", "2.12.0")
#: The last one for the revisions until 2025-11-25, and the first ones for 2026-07-28, which judge the older ones as well.
SUITE_0_1 = ("@modelcontextprotocol/conformance", "0.1.16")
SUITE_0_2 = ("@modelcontextprotocol/conformance", "0.2.0-alpha.12")


@cache
def brought(package: str, version: str) -> Path:
    """Where a package lies, at this version. Skips the test where npm is missing, and never in CI."""
    folder = (FOLDER / f"{package.rpartition('/')[2]}-{version}").resolve()
    place = folder / "node_modules" / package
    if not os.environ.get("CI") and not folder.exists() and shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be at it
        if _version(folder, package) != version:
            npm_install(folder, f"{package}@{version}")
    assert _version(folder, package) == version
    return place


def node() -> Path:
    """The pinned Node."""
    return brought(*NODE) / "bin" / "node"


def _version(folder: Path, package: str) -> str | None:
    """What npm wrote down when it had finished."""
    try:
        installed = json.loads((folder / "node_modules" / ".package-lock.json").read_text())
        return str(installed["packages"][f"node_modules/{package}"]["version"])
    except (OSError, KeyError, ValueError):
        return None


if __name__ == "__main__":
    for wanted in (NODE, INSPECTOR, SUITE_0_1, SUITE_0_2):
        print(brought(*wanted))
