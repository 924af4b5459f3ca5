"""How figures grow with a load: one table for each load, and the lines of its pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.report import number


@dataclass
class Line:
    """One figure at every load."""

    what: str
    unit: str
    picture: str  #: the title of the picture that it is drawn in; "": none
    values: dict[int, float] = field(default_factory=dict)


@dataclass
class Growth:
    """One load, and what was measured under it."""

    name: str  #: of its pictures' files
    title: str
    load: str  #: what is counted
    loads: Sequence[int]
    words: str  #: how it was measured
    when: str = ""  #: and on what a day
    lines: dict[str, Line] = field(default_factory=dict)

    def add(self, what: str, load: int, value: float, unit: str, *, picture: str = "") -> None:
        """Keep a figure, and show it."""
        self.lines.setdefault(what, Line(what, unit, picture)).values[load] = value
        print(f"{self.load} {amount(load, self.load)}: {what}  {number(value, unit)}", flush=True)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Growth:
        """From the file of figures."""
        lines = {
            what: Line(**{**line, "values": {int(load): value for load, value in line["values"].items()}})
            for what, line in kept["lines"].items()
        }
        return cls(**{**kept, "lines": lines})

    def table(self) -> str:
        """In Markdown."""
        heads = [amount(load, self.load) for load in self.loads]
        rows = [["", *heads, "grows"], ["---", *["--:"] * len(heads), "---"]]
        for line in self.lines.values():
            cells = [number(line.values[load], line.unit) if load in line.values else "" for load in self.loads]
            rows.append([line.what, *cells, verdict(line.values)])
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)

    def pictures(self) -> dict[str, list[Line]]:
        """Lines that are drawn together, by title."""
        found: dict[str, list[Line]] = {}
        for line in self.lines.values():
            if line.picture:
                found.setdefault(line.picture, []).append(line)
        return found


def amount(load: int, of: str) -> str:
    """A load in words."""
    if of != "bytes":
        return f"{load:,}"
    for size, unit in ((2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if load >= size:
            return f"{load // size} {unit}"
    return f"{load} B"


def verdict(values: dict[int, float]) -> str:
    """How it grows: over the whole way, and in its last step, where what is constant weighs least."""
    if len(values) < 2 or min(values.values()) <= 0:
        return ""
    loads = sorted(values)
    first, before, last = loads[0], loads[-2], loads[-1]
    factor = values[last] / values[first]
    if factor < 0.5:
        return f"falls (×{factor:.2g})"
    if factor < 2:
        return f"flat (×{factor:.1f})"
    order = math.log(values[last] / values[before]) / math.log(last / before)
    how = "less than the load" if order < 0.85 else "with the load" if order <= 1.15 else "faster than the load"
    return f"{how} (×{factor:,.1f})"
