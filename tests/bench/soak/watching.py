"""What the processes and the home hold, looked at again and again."""

from __future__ import annotations

import os
import select
import sqlite3
import stat
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from tests.bench.memory import children, private, resident, written
from tests.bench.world import World, bare

ALONE = "the program alone"


@dataclass
class Sample:
    """One look."""

    at_s: float
    values: dict[str, float] = field(default_factory=dict)


def look(at_s: float, gateway: int, world: World, taken: dict[str, list[float]], program: Path) -> Sample:
    """All figures of this moment, and the latencies since the last."""
    values: dict[str, float] = {
        "gateway, resident": resident(gateway),
        "gateway, private": written(gateway),
        "gateway's descriptors": len(os.listdir(f"/proc/{gateway}/fd")),
        "gateway's threads": len(os.listdir(f"/proc/{gateway}/task")),
    }
    ours = processes(world)
    fork_server = next((pid for pid in children(gateway) if b"fork_server.py" in ours.get(pid, b"")), None)
    if fork_server:
        values["fork server, resident"] = resident(fork_server)
        values["fork server's descriptors"] = len(os.listdir(f"/proc/{fork_server}/fd"))
    shims = [pid for pid, words in ours.items() if b"fork_server.py" in words and pid != fork_server]
    held = []
    for pid in shims:
        with suppress(OSError, LookupError):  # ended meanwhile
            held.append(private(pid))
    values |= {"shims at work": len(held), "shims, private, all": sum(held)}
    if held:
        values["one shim, private"] = median(held)
    count, size = _files(world.root / "home")
    values |= {"home": size / 1e6, "files": count / 1000, "rows": _rows(world.root / "home/gateway.db") / 1000}
    for name, series in taken.items():
        if len(series) >= 2:
            values |= {f"{name}, median": median(series), f"{name}, 95 of 100": quantiles(series, n=20)[18]}
    values[ALONE] = median(bare((str(program), "--version")) for _ in range(3)) * 1000
    return Sample(at_s, values)


def processes(world: World) -> dict[int, bytes]:
    """Every process that has this world in its environment, with its command line."""
    mark, found = os.fsencode(f"{world.root}/"), {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with suppress(OSError):
            if mark in Path(f"/proc/{pid}/environ").read_bytes():
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
    return found


def remaining(world: World, patience_s: float = 10.0) -> dict[int, bytes]:
    """Processes that do not end by themselves: a shim may take a moment longer than its gateway."""
    deadline = time.monotonic() + patience_s
    while (left := processes(world)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                gone = os.pidfd_open(pid)
                try:
                    select.select([gone], [], [], max(0.0, deadline - time.monotonic()))
                finally:
                    os.close(gone)
    return left


def _files(folder: Path) -> tuple[int, int]:
    """How many, and their bytes on the disk."""
    count = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # removed meanwhile
                facts = os.lstat(os.path.join(place, name))
                count += 1
                size += facts.st_blocks * 512 if stat.S_ISREG(facts.st_mode) else 0
    return count, size


def _rows(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sum(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables)
