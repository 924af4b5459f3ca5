"""An account without a home: HOME is not set, and the system's user database has no entry, as in many containers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: The user database without an entry for the account that runs the tests.
START = """
import pwd, sys
def nobody(_):
    raise KeyError
pwd.getpwuid = pwd.getpwnam = nobody
from llm_gateway.cli import main
sys.exit(main())
"""


def run_without_home(tmp_path: Path, *words: str, **environ: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the command in an empty directory; its result, and what is in the directory afterwards."""
    directory = tmp_path / "directory"
    directory.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOME", "XDG_", "LLM_GATEWAY_"))}
    done = subprocess.run(
        [sys.executable, "-c", START, *words],
        cwd=directory,
        env=kept | environ,
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, [str(path.relative_to(directory)) for path in sorted(directory.rglob("*"))]


@pytest.mark.parametrize(
    "words",
    [("--help",), ("doctor",), ("plugins",), ("config",), ("serve",), ("jobs", "list"), ("ask", "echo", "hello")],
    ids=" ".join,
)
@pytest.mark.parametrize("home", ["", "given"])
def test_a_command_without_a_home_leaves_its_directory_unchanged(
    words: tuple[str, ...], home: str, tmp_path: Path
) -> None:
    environ = {"LLM_GATEWAY_HOME": str(tmp_path / "home")} if home else {}
    done, left = run_without_home(
        tmp_path, *words, LLM_GATEWAY_PLUGINS="echo,operations,git", PYTHONDONTWRITEBYTECODE="1", **environ
    )
    assert left == []
    assert "Traceback" not in done.stderr
    if not home and words not in [("--help",), ("plugins",)]:
        assert "HOME is not set" in done.stdout + done.stderr
