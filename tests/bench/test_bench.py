"""The measured claims, one subject after the other. Nothing is asserted about time: the figures are printed and written down.

BENCH_BEFORE names the commit that is measured beside the present one (HEAD~1).

`make bench` writes docs/reference/performance.md and .cache/bench.json; with BENCH_QUICK=1 (seconds, not minutes) it only
proves that the bench works, and leaves the page alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench import clients, latency, looking, memory, output, records, startup, throughput, trees
from tests.bench.report import FIGURES, PAGE, Report
from tests.bench.world import QUICK, World

if not Path("/proc/self/status").exists():
    pytest.skip("reads /proc", allow_module_level=True)

SUBJECTS = [
    clients.measure,
    latency.measure_inside,
    latency.measure_wire,
    latency.measure_disk,
    trees.measure,
    throughput.measure,
    startup.measure,
    memory.measure,
    output.measure,
    looking.measure,
    records.measure,
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    found = Report()
    print(f"\nload average {found.load_before:.1f}")
    yield found
    if QUICK:
        scratch = tmp_path_factory.mktemp("report")
        found.write(scratch / "page.md", scratch / "figures.json")
    elif len(found.rows) > 20:  # not when only some subjects were chosen
        found.write(None if "CI" in os.environ else PAGE, FIGURES)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.mark.parametrize(
    "subject", SUBJECTS, ids=lambda measure: f"{measure.__module__.rpartition('.')[2]}.{measure.__name__}"
)
def test_measure(subject: Callable[[World, Report], None], tmp_path: Path, compiled: Path, report: Report) -> None:
    already = len(report.rows)
    world = World.make(tmp_path, compiled)
    world.warm_up()
    subject(world, report)
    assert all(row.value == row.value for row in report.rows[already:])
    assert len(report.rows) > already
