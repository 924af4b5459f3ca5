"""The command as a user runs it: a process of its own, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TIMEOUT_S = 60


class Command:
    """Runs `llm-gateway` in one home."""

    def __init__(self, home: Path, python: tuple[str, ...]) -> None:
        self.home = home
        self.python = python  #: `(sys.executable,)` where a test is about the start or about signals of a terminal
        self.environ = {
            **os.environ,
            "LLM_GATEWAY_HOME": str(home),
            "LLM_GATEWAY_ECHO_HOME": str(home / "echo"),
            "LLM_GATEWAY_PLUGINS": "echo,operations,git",
            "NO_COLOR": "1",
        }

    def argv(self, *words: str) -> list[str]:
        return [*self.python, "-m", "llm_gateway.cli", *words]

    def run(self, *words: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(*words),
            input=stdin,
            capture_output=True,
            env=self.environ | environ,
            timeout=TIMEOUT_S,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def json(self, *words: str, code: int = 0, **environ: str) -> Any:
        done = self.run(*words, "--json", **environ)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.argv(*words), env=self.environ, **options)

    def begin(self, *words: str) -> str:
        """Start a job of the imitation; its id."""
        done = self.run("ask", "echo", "--async", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def command(tmp_path: Path, python: tuple[str, ...]) -> Iterator[Command]:
    made = Command(tmp_path / "home", python)
    yield made
    if (made.home / "jobs").is_dir():
        for job in made.json("jobs", "list")["jobs"]:
            if job["status"] in ("queued", "running"):
                done = made.run("jobs", "cancel", job["id"])
                assert done.returncode == 0, done.stdout + done.stderr
