"""What grows how, as a page of the manual with its pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench.growth.table import Growth, amount
from tests.bench.picture import draw
from tests.bench.report import ROOT, facts

COMMAND = "make growth"
PAGE = ROOT / "docs/reference/growth.md"
PICTURES = ROOT / "docs/pictures"
FIGURES = ROOT / ".cache/growth.json"

_HEAD = """\
# How figures grow

Written by `{command}`; do not edit. {cores} cores ({model}), {memory} GB of memory, Linux {kernel}, Python {python}.
Each part gives its date of measurement, and the load average before and after (each core that other programs use adds 1).

How the [figures](performance.md) change with the load. Times are medians, over the wire (MCP over stdio, frames written by hand).
The last column compares the greatest load with the smallest: "flat" means not doubled. Otherwise the last step decides, where
constant parts have the least influence. The pictures have logarithmic scales.
"""


def kept(figures: Path) -> list[Growth]:
    """What was measured earlier."""
    return [Growth.of(one) for one in json.loads(figures.read_bytes())["growths"]] if figures.exists() else []


def write(growths: Sequence[Growth], page: Path, pictures: Path, figures: Path) -> None:
    """Keep the figures, draw them, and write them down for readers."""
    found = facts()
    figures.parent.mkdir(parents=True, exist_ok=True)
    figures.write_text(json.dumps({"facts": found, "growths": [asdict(one) for one in growths]}, indent=1) + "\n")
    parts = [_HEAD.format(command=COMMAND, **found)]
    for growth in growths:
        parts += [f"\n## {growth.title}\n\n", growth.words, f"\nMeasured on {growth.when}.\n\n", growth.table()]
        for title, lines in growth.pictures().items():
            path = pictures / f"growth-{growth.name}-{title.partition(' ')[0].lower()}.svg"
            draw(
                path,
                title=title,
                unit=lines[0].unit,
                places=[amount(load, growth.load) for load in growth.loads],
                below=growth.load,
                lines={line.what.replace("`", ""): [line.values.get(load) for load in growth.loads] for line in lines},
                logarithmic=True,
            )
            parts.append(f"\n![{title}, in {lines[0].unit}]({os.path.relpath(path, page.parent)})\n")
    parts.append("\nHow it is measured: [tests/bench/growth](../../tests/bench/growth).\n")
    page.write_text("".join(parts))
