"""The README's promise: a clone, Python with pip, git and make are enough."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}"
OURS = ("UV_", "XDG_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "LLM_GATEWAY_")
CHEAP = "ARGS=tests/structure/test_distributions.py"


def make(clone: Path, *words: str, **more: str) -> str:
    """Run make as a stranger would, whose home, on top, cannot be written."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    done = subprocess.run(
        ["make", *words, f"PYTHON={PYTHON}"],
        cwd=clone,
        env={**env, "HOME": "/proc/none", **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "a clone"
    git = ["git", "-c", f"safe.directory={ROOT / '.git'}", "clone", "--quiet", "--no-local", str(ROOT), str(folder)]
    subprocess.run(git, check=True, timeout=60)
    return folder


def test_a_fresh_clone_tests_itself_and_the_second_time_without_a_network(clone: Path) -> None:
    first = make(clone, "test", CHEAP)
    assert "Setting up" in first
    assert " passed" in first

    second = make(clone, "test", CHEAP, UV_OFFLINE="1", PIP_NO_INDEX="1")
    assert "Setting up" not in second
    assert " passed" in second


def test_what_is_installed_stays_out_of_version_control(clone: Path) -> None:
    make(clone, "setup")
    listing = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert listing.stdout == ""
