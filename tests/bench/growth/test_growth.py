"""How each figure grows with its load. Nothing is asserted about time: the figures are printed, drawn and written down.

`make growth` writes docs/reference/growth.md, its pictures and .cache/growth.json; with BENCH_QUICK=1 (seconds, not minutes)
it only proves that the measurements work, and leaves the manual alone. With ARGS="-k records" only that part is measured again.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from tests.bench.growth import jobs, output, page, providers, records, running
from tests.bench.growth.table import Growth, verdict
from tests.bench.report import facts
from tests.bench.world import QUICK, World

if not Path("/proc/self/status").exists():
    pytest.skip("reads /proc", allow_module_level=True)

SUBJECTS = (jobs, output, records, providers, running)


@dataclass
class Book:
    """What was measured so far."""

    growths: dict[str, Growth] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Into a folder with the manual's layout. What was not measured now stands as it was measured last."""
        figures = folder / ".cache/growth.json"
        known = {growth.name: growth for growth in page.kept(figures)} | self.growths
        place = folder / "docs/reference"
        place.mkdir(parents=True, exist_ok=True)
        page.write(
            [known[subject.__name__.rpartition(".")[2]] for subject in SUBJECTS],
            place / page.PAGE.name,
            folder / "docs/pictures",
            figures,
        )


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    found = Book()
    yield found
    scratch = QUICK or "CI" in os.environ
    if len(found.growths) == len(SUBJECTS) or (found.growths and page.FIGURES.exists() and not scratch):
        found.write(tmp_path_factory.mktemp("manual") if scratch else page.ROOT)


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.__name__.rpartition(".")[2])
def test_growth_is_measured(subject: ModuleType, tmp_path: Path, compiled_once: Path, book: Book) -> None:
    numbers = itertools.count()

    def make() -> World:
        root = tmp_path / str(next(numbers))
        root.mkdir()
        world = World.make(root, compiled_once)
        world.warm_up()
        return world

    measure: Callable[[Callable[[], World]], Growth] = subject.measure
    before = os.getloadavg()[0]
    growth = measure(make)
    growth.when = f"{facts()['date']}, load average {before:.1f} and {os.getloadavg()[0]:.1f}"
    assert all(set(line.values) <= set(growth.loads) for line in growth.lines.values())
    book.growths[growth.name] = growth


def test_growth_is_judged_by_its_last_step() -> None:
    assert verdict({10: 1.0, 1000: 1.9}) == "flat (×1.9)"
    assert verdict({10: 5.0, 100: 6.0, 1000: 60.0}) == "with the load (×12.0)"
    assert verdict({10: 1.0, 100: 10.0, 1000: 1000.0}) == "faster than the load (×1,000.0)"
    assert verdict({10: 1.0, 100: 5.0, 1000: 20.0}) == "less than the load (×20.0)"
    assert verdict({10: 3.0}) == ""
