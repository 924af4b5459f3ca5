"""What an hour showed: judged, drawn, and written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

from tests.bench.picture import draw
from tests.bench.report import ROOT, facts
from tests.bench.soak.watching import ALONE, Sample

PAGE = ROOT / "docs/reference/soak.md"
PICTURES = ROOT / "docs/pictures"

#: Figure -> its unit, and how much more the last quarter may hold than the first: a factor, and so many units beside it.
#: Latencies are also allowed what the program alone became slower by: what else the machine does is not the gateway's.
ALLOWED: dict[str, tuple[str, float, float]] = {
    "gateway, resident": ("MB", 1.05, 2),
    "gateway, private": ("MB", 1.05, 2),
    "gateway's descriptors": ("", 1.0, 4),
    "gateway's threads": ("", 1.0, 4),
    "fork server, resident": ("MB", 1.03, 0.5),
    "fork server's descriptors": ("", 1.0, 2),
    "one shim, private": ("MB", 1.1, 0.2),
    "home": ("MB", 1.1, 2),
    "files": ("thousand", 1.1, 0.1),
    "rows": ("thousand", 1.1, 0.1),
    "sync, median": ("ms", 1.5, 5),
    "submit, median": ("ms", 1.5, 5),
    "status, median": ("ms", 1.5, 5),
}
_PICTURES = (
    (
        "memory",
        "Memory",
        "MB",
        ("gateway, resident", "gateway, private", "fork server, resident", "shims, private, all"),
    ),
    (
        "descriptors",
        "Descriptors, threads and shims",
        "how many",
        ("gateway's descriptors", "gateway's threads", "fork server's descriptors", "shims at work"),
    ),
    ("disk", "The home", "MB; thousands of files and of rows", ("home", "files", "rows")),
    (
        "latency",
        "Latency",
        "ms",
        (
            *("sync, median", "sync, 95 of 100", "submit, median"),
            *("submit, 95 of 100", "status, median", ALONE),
        ),
    ),
)
_HEAD = """\
# Soak

Written by `make soak SOAK_MINUTES={minutes:g}` on {date}; do not edit. {cores} cores ({model}), {memory} GB of memory, Linux {kernel},
Python {python}. Load average when it began: {load_before:.1f}, when it ended: {load_after:.1f}.

One gateway (`llm-gateway serve`, with all plugins of this repository) under a constant load of {rate:g} turns a second for
{minutes:g} minutes, over MCP on stdio. The programs are small real executables that print what each CLI was recorded to print, in the
formats and with the files that the providers are tested with. Of twenty turns, six wait for their answer, five fetch it later (submit, status, wait, status,
result), two stop half-way for four seconds, and one each: fails with the CLI's own 429, answers with 235 kB, is canceled, is sent
twice, continues a conversation, has a stable prefix, is judged by `mcp_managed`, runs in a git working tree. Between the turns the
client reads the lists, the health, the caches' figures and `tools/list`. Finished jobs are kept for
{kept_s:.0f} seconds (`[jobs] retention_days`), so that what is kept can be seen to stay the same; sessions are kept until they are deleted, so the
client clears them after every {clear} turns.

{done:,} turns, {failed} of them with an answer that was not expected. {left}

| what | first quarter | last quarter | in an hour | allowed in the last quarter |
|---|--:|--:|--:|--:|
"""
_TAIL = """
Medians of {count} samples, one every {every:g} s, of which the first {settling:.0f} s are left out: until then the home fills up with
what is kept. "In an hour" is the slope of a straight line through the samples. Sync is what the gateway adds to the time of the
program itself. Each sample contains a bare run of the claude imitation; latencies may increase by as much as that run does. Method: [tests/bench/soak](../../tests/bench/soak).

"""


@dataclass(frozen=True)
class Course:
    """How one figure went."""

    name: str
    first: float
    last: float
    slope_an_hour: float
    machine: float = 1.0  #: how much slower it had become

    @property
    def allowed(self) -> float:
        """The most that the last quarter may hold."""
        unit, factor, beside = ALLOWED[self.name]
        return self.first * factor * (max(1.0, self.machine) if unit == "ms" else 1.0) + beside


@dataclass(frozen=True)
class Soak:
    """What was done."""

    minutes: float
    rate: float
    every_s: float
    kept_s: float
    clear_every: int
    samples: Sequence[Sample] = field(repr=False)
    done: Counter[str]
    failures: Sequence[str]
    left_behind: Sequence[str]
    load_before: float
    load_after: float

    @property
    def settling_s(self) -> float:
        """Until what is kept has its full size: it is swept four times in its time, and the allocator is warm."""
        return min(self.kept_s * 1.5, self.minutes * 60 / 5)

    def courses(self) -> list[Course]:
        """First against last quarter."""
        settled = [sample for sample in self.samples if sample.at_s >= self.settling_s]
        _, alone_first, alone_last, _ = _course(settled, ALONE) or (ALONE, 1.0, 1.0, 0.0)
        told = [found for name in ALLOWED if (found := _course(settled, name))]
        return [Course(*found, machine=alone_last / alone_first) for found in told]

    def grown(self) -> list[str]:
        """What did not stay flat."""
        return [f"{c.name}: {c.first:.2f} -> {c.last:.2f}" for c in self.courses() if c.last > c.allowed]

    def draw(self, folder: Path) -> list[Path]:
        """The pictures."""
        found = []
        for name, title, unit, lines in _PICTURES:
            path = folder / f"soak-{name}.svg"
            draw(
                path,
                title=title,
                unit=unit,
                places=[f"{sample.at_s / 60:.1f}" for sample in self.samples],  # equal names would be drawn as one
                below="minutes",
                lines={line: [_rounded(sample.values.get(line)) for sample in self.samples] for line in lines},
                logarithmic=name == "latency",
            )
            found.append(path)
        return found

    def write(self, page: Path, pictures: Path) -> None:
        """The page and its pictures."""
        words = _HEAD.format(
            minutes=self.minutes,
            rate=self.rate,
            kept_s=self.kept_s,
            clear=self.clear_every,
            done=sum(self.done.values()),
            failed=len(self.failures) or "none",
            left="Nothing was left behind." if not self.left_behind else f"Left behind: {', '.join(self.left_behind)}.",
            load_before=self.load_before,
            load_after=self.load_after,
            **facts(),
        )
        for c in self.courses():
            unit = ALLOWED[c.name][0]
            cells = [_number(value, unit) for value in (c.first, c.last)]
            slope = f"{c.slope_an_hour:+.2f} {unit}".strip()
            words += f"| {c.name} | {' | '.join(cells)} | {slope} | {_number(c.allowed, unit)} |\n"
        words += _TAIL.format(count=len(self.samples), every=self.every_s, settling=self.settling_s)
        for path, (_, title, *_) in zip(self.draw(pictures), _PICTURES, strict=True):
            words += f"![{title}](../pictures/{path.name})\n"
        page.write_text(words)


def _course(samples: Sequence[Sample], name: str) -> tuple[str, float, float, float] | None:
    """Medians of the first and the last quarter, and the slope; None: too few samples have it."""
    points = [(sample.at_s, sample.values[name]) for sample in samples if name in sample.values]
    if len(points) < 8:
        return None
    times, values = zip(*points, strict=True)
    quarter = len(points) // 4
    return name, median(values[:quarter]), median(values[-quarter:]), linear_regression(times, values).slope * 3600


def _number(value: float, unit: str) -> str:
    return f"{value:,.2f} {unit}".strip()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
