"""One run of the official suite against our server, and what it found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.installing import SUITE_0_1, SUITE_0_2, brought, node

RUN_S = 180
BRIDGE = Path(__file__).with_name("bridge.py")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is run."""

    package: tuple[str, str]
    options: tuple[str, ...]
    scenarios: int  #: how many it has: one that silently runs fewer proves less


SUITES = {
    "0.1": Suite(package=SUITE_0_1, options=(), scenarios=30),
    "0.2 for 2025-11-25": Suite(package=SUITE_0_2, options=("--spec-version", "2025-11-25"), scenarios=31),
    "0.2 for 2026-07-28": Suite(package=SUITE_0_2, options=("--requirements", "2026-07-28"), scenarios=50),
}

#: scenario -> the checks that did not hold, each with what the suite says of it; empty: all held
Findings = Mapping[str, Mapping[str, str]]


@contextmanager
def bridge(home: Path) -> Iterator[str]:
    """Serve over HTTP for as long as the block; gives the URL."""
    command = [sys.executable, str(BRIDGE)]
    env = {**os.environ, "LLM_GATEWAY_HOME": str(home)}
    with (
        (home.parent / "bridge.log").open("w") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            told = process.stdout.readline()
            assert told, Path(log.name).read_text()
            yield json.loads(told)["url"]
        finally:
            process.stdin.close()
            process.wait(20)


def run(suite: Suite, url: str, output: Path) -> Findings:
    """Run a suite against a server."""
    program = brought(*suite.package) / "dist" / "index.js"
    command = [node(), program, "server", "--url", url, "--output-dir", output, *suite.options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode in {0, 1}, done.stderr  # 1: some checks did not hold, which is ours to judge
    found = {}
    for path in output.glob("*/checks.json"):
        scenario = re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*", "", path.parent.name)
        checks = [check for check in json.loads(path.read_text()) if check["status"] in {"FAILURE", "WARNING"}]
        found[scenario] = {check["id"]: check.get("errorMessage", "") for check in checks}
    return found


def surprises(found: Findings, expected: Mapping[str, str]) -> list[str]:
    """Where a run differs from what is expected of it: failures that are new, and failures that are gone.

    :param expected: `scenario` or `scenario/check` -> why it fails.
    """
    told, seen = [], set()
    for scenario, checks in found.items():
        for check, message in checks.items():
            entry = next((one for one in (f"{scenario}/{check}", scenario) if one in expected), None)
            if entry is None:
                told.append(f"failed: {scenario}/{check}: {message}")
            else:
                seen.add(entry)
    ran = {entry for entry in expected if entry.partition("/")[0] in found}
    return told + [f"passed, but is expected to fail: {entry}" for entry in sorted(ran - seen)]
