"""What the processes hold in memory."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.bench.report import Report
from tests.bench.world import World, times


def measure(world: World, report: Report) -> None:
    """The gateway idle after its first answers, then with one run: its fork server and its shim."""
    world.warm()
    with world.serve() as client:
        client.begin()
        client.call("llm_job_list", {})  # from here on all of it is there
        report.add("memory of the idle gateway (resident)", resident(client.pid), "MB", aim="≤ 80", reference="118")
        report.add("memory of the idle gateway (private)", private(client.pid), "MB")
        report.add("for comparison: Python that imports the MCP SDK's server (resident)", _sdk(world), "MB")
        started, _ = client.call("tiny_request_async", {"prompt": "hang", "work": "hang", "amount": 60})
        job = started["job"]["id"]
        state = client.begun(world, job)
        for _ in range(times(200)):  # meanwhile the shim comes to rest: only then it has all that it will have
            client.call("llm_job_status", {"jobId": job})
        for child in children(client.pid):  # its one child: shims belong to nobody
            report.add("memory of the fork server (resident)", resident(child), "MB")
        report.add("memory of a shim (private)", private(state["shim"]["pid"]), "MB", aim="≤ 2")
        report.add("memory of a shim (resident, most of it shared)", resident(state["shim"]["pid"]), "MB")
        client.call("llm_job_cancel", {"jobId": job})


def resident(pid: int) -> float:
    """Megabytes."""
    return _field(pid, "status", "VmRSS")


def peak(pid: int) -> float:
    """The highest resident megabytes since `forget_peak`."""
    return _field(pid, "status", "VmHWM")


def forget_peak(pid: int) -> None:
    """Forget the highest value so far."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def private(pid: int) -> float:
    """Megabytes that no other process shares."""
    return _field(pid, "smaps_rollup", "Private_Clean") + _field(pid, "smaps_rollup", "Private_Dirty")


def written(pid: int) -> float:
    """Megabytes that it has written to and that no other process shares; of libraries, others may come and go."""
    return _field(pid, "smaps_rollup", "Private_Dirty")


def share(pid: int) -> float:
    """Megabytes, where what several processes have in common is divided among them."""
    return _field(pid, "smaps_rollup", "Pss")


def children(pid: int) -> list[int]:
    """Processes that it started and that are still there."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # the thread ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return found


def _field(pid: int, file: str, name: str) -> float:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024 / 1e6
    raise LookupError(name)


def _sdk(world: World) -> float:
    words = "import mcp.server.lowlevel; print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=world.environ, cwd=world.place
    ) as process:
        assert process.stdout
        process.stdout.readline()
        found = resident(process.pid)
        process.communicate(b"\n", timeout=60)
    return found
