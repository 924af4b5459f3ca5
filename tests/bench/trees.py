"""How long a request waits for its job id in directories that are dear to look at: the state of their files is part of reuse."""

from __future__ import annotations

import subprocess
from pathlib import Path
from statistics import median

from tests.bench.report import Report
from tests.bench.world import Client, World, times

_FILES = 20_000
_HUGE_BYTES = 12 * 1024**3
_AIM = "≤ 250"


def measure(world: World, report: Report) -> None:
    """Submit in each; the first time, when nothing of it was read before, and later."""
    for title, make in (
        (f"{_FILES:,} untracked files", _many),
        ("an untracked file of 12 GB", _huge),
        ("an untracked named pipe", _pipe),
    ):
        tree = world.root / title.replace(" ", "-")
        tree.mkdir()
        subprocess.run(["git", "init", "-q"], cwd=tree, env=world.environ, check=True, timeout=60)
        make(tree)
        with world.serve() as client:
            client.begin()
            client.call("tiny_request", {"prompt": "first"})
            first = _submit(client, tree, 0)
            later = [_submit(client, tree, number) for number in range(1, times(40) + 1)]
        report.add(f"async submit beside {title}, the first one", first * 1000, "ms", aim=_AIM)
        report.add(f"async submit beside {title}", median(later) * 1000, "ms", aim=_AIM)


def _submit(client: Client, tree: Path, number: int) -> float:
    started, took = client.call("tiny_request_async", {"prompt": f"t{number}", "workingDir": str(tree)})
    client.call("llm_job_wait", {"jobIds": [started["job"]["id"]]})
    return took


def _many(tree: Path) -> None:
    for number in range(_FILES):
        (tree / f"file{number}").write_text(f"{number}\n")


def _huge(tree: Path) -> None:
    with (tree / "huge").open("wb") as file:
        file.truncate(_HUGE_BYTES)


def _pipe(tree: Path) -> None:
    subprocess.run(["mkfifo", str(tree / ".gitignore")], check=True, timeout=60)
