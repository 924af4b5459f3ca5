"""`llm-gateway demo`, as `make demo` runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "llm_gateway.cli", "demo"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Everything that the demo makes lies under the test's own folder."""
    (tmp_path / "temporary").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "LLM_GATEWAY_PLUGINS": "echo,operations,git"}


def test_lesson_7_three_answers_survive_the_gateway_s_death(tmp_path: Path, environ: dict[str, str]) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "--json"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["ok"], report["agentsSurvived"]) == (True, 3)
    assert len({result["jobId"] for result in report["results"]}) == 3
    assert all("diff --git a/basket.py" in result["text"] for result in report["results"])
    before, killed, after = done.stderr.partition("is killed (SIGKILL)")
    assert killed
    assert before.count("step ") >= 3
    assert "completed" not in before
    first, second = re.findall(r"gateway (\d+) runs", done.stderr)
    assert first != second
    assert "3 of 3 answers" in after
    assert time.monotonic() - began < 30
    assert list((tmp_path / "temporary").iterdir()) == []


def test_ctrl_c_ends_the_reviewers_and_cleans_up(tmp_path: Path, environ: dict[str, str]) -> None:
    with subprocess.Popen(COMMAND, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if "step 1" in line:
                process.send_signal(signal.SIGINT)
                break
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "reviewers" in rest.splitlines()[-1]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_provider_that_is_not_there_is_told(tmp_path: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(
        [*COMMAND, "--with", "nobody"], cwd=tmp_path, env=environ, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert b"there is no provider nobody here" in done.stdout
    assert done.stderr == b""
    few = subprocess.run(
        [*COMMAND, "--providers", "echo"], cwd=tmp_path, env=environ, capture_output=True, timeout=60, check=False
    )
    assert few.returncode == 2
    assert list((tmp_path / "temporary").iterdir()) == []
