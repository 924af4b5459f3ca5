"""What was measured, as rows; as the reference page; as a file to compare with later."""

from __future__ import annotations

import json
import os
import platform
import subprocess
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
the whole run to the bare run. Other programs on a machine change figures by a third and more.

Rows that begin with "clients" have another program: an imitation of Claude Code behind the provider `claude`. They are measured in turn
with commit {before}, whose figures are in the column "before"; "bare" is the imitation without the gateway, or `python -c pass` for
CPU times.

"Reference" is the earlier system that serves for comparison. (a): measured in November 2026 in turn with this gateway, on one
machine (2 cores, `python -c pass` 12 to 17 ms, 1,400 bare runs of the imitation a second), medians, the same imitation and the same
clients. (b): taken down on 2026-11-22, on another day and a machine of the same kind, with clients that do not poll; compare the order
of magnitude only.

| what | measured | before | bare | ratio | aim | reference |
|---|--:|--:|--:|--:|--:|--:|
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
    before: float | None = None  #: the same of the earlier commit


@dataclass
class Report:
    """Collects rows."""

    rows: list[Row] = field(default_factory=list)
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(
        self,
        what: str,
        value: float,
        unit: str,
        *,
        bare: float | None = None,
        aim: str = "",
        reference: str = "",
        before: float | None = None,
    ) -> None:
        """Add a row, and show it."""
        row = Row(what, value, unit, bare, aim, reference, before)
        self.rows.append(row)
        print("  ".join(cell for cell in _cells(row) if cell), flush=True)

    def write(self, page: Path | None, figures: Path) -> None:
        """Keep the figures, and write them down for readers."""
        here = (
            facts()
            | {"before": commit_before()}
            | {"load_before": f"{self.load_before:.1f}", "load_after": f"{os.getloadavg()[0]:.1f}"}
        )
        figures.parent.mkdir(exist_ok=True)
        figures.write_text(json.dumps({"facts": here, "rows": [asdict(row) for row in self.rows]}, indent=1) + "\n")
        if page:
            lines = [f"| {' | '.join(_cells(row))} |" for row in self.rows]
            page.write_text(_HEAD.format(command=COMMAND, **here) + "\n".join(lines) + "\n" + _TAIL)


def _cells(row: Row) -> list[str]:
    plain = "" if row.bare is None else number(row.bare, row.unit)
    before = "" if row.before is None else number(row.before, row.unit)
    aim, reference = (f"{words} {row.unit}" if words[-1:].isdigit() else words for words in (row.aim, row.reference))
    if reference and not reference.endswith(")"):
        reference += " (b)"
    return [row.what, number(row.value, row.unit), before, plain, _ratio(row), aim, reference]


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


def commit_before() -> str:
    """The commit that is measured beside the present one."""
    wanted = os.environ.get("BENCH_BEFORE") or "HEAD~1"
    found = subprocess.run(
        ["git", "rev-parse", "--short", wanted], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def _line_of(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"
