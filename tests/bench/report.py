"""What was measured, as rows; as the reference page; as a file to compare with later."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).parents[2]
ON_TOP = ", on top of bare"
PAGE = ROOT / "docs/reference/performance.md"
FIGURES = ROOT / ".cache/bench.json"
COMMAND = "make bench"

_HEAD = """\
# Performance

Written by `{command}` on {date}; do not edit. {cores} cores ({model}), {memory} GB of memory, Linux {kernel}, Python {python}.
Load average when it began: {load_before}, when it ended: {load_after} (each core that other programs use adds 1).

Figures are medians. "Bare" is the same program run without the gateway, in the same run and the same process tree; the program is
`/bin/echo`, which ends within a millisecond, so what remains is the gateway. "On top of bare" is what the gateway adds; its ratio is
the whole run to the bare run. "Reference" is the earlier system that serves for comparison, measured on a machine of the same kind.
Other programs on a machine change figures by a third and more.

| what | measured | bare | ratio | aim | reference |
|---|--:|--:|--:|--:|--:|
"""

_TAIL = """
For comparison with the idle gateway's resident memory, the table contains that of the MCP SDK's import alone. The number of file pages
that the system maps differs by about 3 MB between installations of the same code, for the SDK alone and for the gateway; private
memory does not differ.

How the figures grow with the load: [growth](growth.md).

How it is measured: [tests/bench](../../tests/bench). The wire is MCP over stdio, in frames written by hand; "SDK client" is the MCP
SDK's own client against the same process. Bytecode is compiled, as after an installation. Growth of memory is the highest resident
set since before the call, less the resident set then.
"""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: float
    unit: str
    bare: float | None = None
    aim: str = ""
    reference: str = ""


@dataclass
class Report:
    """Collects rows."""

    rows: list[Row] = field(default_factory=list)
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(
        self, what: str, value: float, unit: str, *, bare: float | None = None, aim: str = "", reference: str = ""
    ) -> None:
        """Add a row, and show it."""
        row = Row(what, value, unit, bare, aim, reference)
        self.rows.append(row)
        print("  ".join(cell for cell in _cells(row) if cell), flush=True)

    def write(self, page: Path | None, figures: Path) -> None:
        """Keep the figures, and write them down for readers."""
        here = facts() | {"load_before": f"{self.load_before:.1f}", "load_after": f"{os.getloadavg()[0]:.1f}"}
        figures.parent.mkdir(exist_ok=True)
        figures.write_text(json.dumps({"facts": here, "rows": [asdict(row) for row in self.rows]}, indent=1) + "\n")
        if page:
            lines = [f"| {' | '.join(_cells(row))} |" for row in self.rows]
            page.write_text(_HEAD.format(command=COMMAND, **here) + "\n".join(lines) + "\n" + _TAIL)


def _cells(row: Row) -> list[str]:
    plain = "" if row.bare is None else number(row.bare, row.unit)
    told = [f"{words} {row.unit}" if words[-1:].isdigit() else words for words in (row.aim, row.reference)]
    return [row.what, number(row.value, row.unit), plain, _ratio(row), *told]


def _ratio(row: Row) -> str:
    if not row.bare:
        return ""
    whole = row.value + row.bare if row.what.endswith(ON_TOP) else row.value
    return f"{whole / row.bare:.1f}" if whole >= row.bare else f"1/{row.bare / whole:.1f}"


def number(value: float, unit: str) -> str:
    """With as many digits as mean something."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def facts() -> dict[str, str]:
    """Of this machine."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "cores": str(os.cpu_count()),
        "model": _line_of("/proc/cpuinfo", "model name"),
        "memory": f"{int(_line_of('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f}",
        "kernel": ".".join(platform.release().split("-")[0].split(".")[:2]),
        "python": platform.python_version(),
    }


def _line_of(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"
