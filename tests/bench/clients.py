"""What clients see: jobs that are polled and waited for, the CPU of each job, and single calls.

The provider is `claude`; its program is an imitation that ends within two milliseconds. Each round measures the gateway, then the
gateway of an earlier commit (the environment variable BENCH_BEFORE, by default HEAD~1) on the same machine, then both again in
turn. The machine's own speed stands beside them: an interpreter that does nothing, and bare runs of the imitation.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.report import ROOT, Report
from tests.bench.world import QUICK, Client, World, bare, times

POLL_S = 0.02
_PAUSE = threading.Event()  #: never set: the pause between two polls is a part of what is measured
ROUNDS = 1 if QUICK else 3
WIDTHS = (16, 64)
#: The mark of these references on the page: see its head in report.py.
_SOURCE = "a"
_TICKS = os.sysconf("SC_CLK_TCK")
_EVENTS = (
    '{"type":"system","subtype":"init","session_id":"0b5c2c1e-1f6e-4f2b-9a53-0d6f6d4f7a11","model":"m","tools":[]}\n'
    '{"type":"result","subtype":"success","is_error":false,"result":"the answer","num_turns":1,'
    '"session_id":"0b5c2c1e-1f6e-4f2b-9a53-0d6f6d4f7a11","usage":{"input_tokens":1,"output_tokens":1}}\n'
)


@dataclass(frozen=True)
class Subject:
    """One row of the table."""

    what: str
    unit: str
    bare: str = ""  #: the figure of the machine to compare with
    aim: str = ""
    reference: str = ""


SUBJECTS = {
    "polled 16": Subject("jobs a second, 16 clients that poll every 20 ms", "/s", "bare", "≥ 1/6 of bare", "133"),
    "polled 64": Subject("jobs a second, 64 clients that poll every 20 ms", "/s", "bare", "as much as 16 do", "128"),
    "waited 16": Subject("jobs a second, 16 at once, one llm_job_wait", "/s", "bare", "≥ 1/5 of bare"),
    "waited 64": Subject("jobs a second, 64 at once, one llm_job_wait", "/s", "bare", "≥ 1/5 of bare"),
    "cpu 16": Subject("CPU of the gateway's process for each job, 16 polled", "ms", "python", "≤ 0.3 × bare", "6.6"),
    "cpu 64": Subject("CPU of the gateway's process for each job, 64 polled", "ms", "python", "≤ 0.3 × bare"),
    "ping": Subject("ping", "ms", aim="≤ 0.25", reference="0.29"),
    "status running": Subject("status of a running job", "ms", aim="≤ 0.4", reference="0.62"),
    "status finished": Subject("status of a finished job", "ms", aim="≤ 0.4", reference="0.61"),
    "result": Subject("result of a finished job", "ms", aim="≤ 0.5", reference="0.58"),
    "submit": Subject("async submit", "ms", aim="≤ 3", reference="8.9"),
    "dedup": Subject("dedup hit", "ms", aim="≤ 1", reference="1.8"),
    "sync": Subject("sync request, less a bare run", "ms", aim="≤ 8", reference="1 012"),
}


def measure(world: World, report: Report) -> None:
    """The whole table."""
    script = imitation(world.root)
    worlds = {"now": world}
    earlier = earlier_commit(world)
    if earlier is not None:
        worlds["before"] = earlier
    found: dict[str, list[dict[str, float]]] = {name: [] for name in worlds}
    machine = []
    for round_, (name, one) in itertools.product(range(ROUNDS), worlds.items()):
        machine.append(speed(script))
        found[name].append(figures(one, script, f"{name}{round_}"))
    at_rest = {name: median(one[name] for one in machine) for name in machine[0]}
    report.add("for comparison: `python -c pass`", at_rest["python"], "ms")
    report.add("for comparison: bare runs of the imitation a second, 16 at once", at_rest["bare"], "/s")
    for key, subject in SUBJECTS.items():
        medians = {name: median(one[key] for one in rounds) for name, rounds in found.items()}
        report.add(
            f"clients: {subject.what}",
            medians["now"],
            subject.unit,
            bare=at_rest[subject.bare] if subject.bare else None,
            aim=subject.aim,
            before=medians.get("before"),
            reference=subject.reference and f"{subject.reference} {subject.unit} ({_SOURCE})",
        )


def imitation(folder: Path) -> Path:
    """A program that prints what Claude Code prints for a short answer; asked to hang, it waits to be ended."""
    script, events = folder / "claude", folder / "events"
    events.write_text(_EVENTS)
    version = '[ "$1" = --version ] && echo "2.1.0 (Claude Code)" && exit 0'
    script.write_text(
        f"#!/bin/sh\n{version}\nwhile read -r line; do case $line in *hang*) exec sleep 60;; esac; done\n"
    )
    with script.open("a") as file:
        file.write(f"while read -r line; do echo \"$line\"; done < '{events}'\n")
    script.chmod(0o700)
    return script


def earlier_commit(world: World) -> World | None:
    """The world of an earlier commit's code: its sources stand before the installed ones. None: there is no such commit here."""
    root = world.root / "before"
    sources = root / "sources"
    sources.mkdir(parents=True)
    commit = os.environ.get("BENCH_BEFORE") or "HEAD~1"
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        print(f"no earlier commit {commit}: {archive.stderr.decode(errors='replace').strip()}")
        return None
    subprocess.run(["tar", "-x", "-C", str(sources)], input=archive.stdout, check=True)
    made = World.make(root, Path(world.environ["PYTHONPYCACHEPREFIX"]))
    folders = [*map(str, sources.glob("*/src")), *map(str, sources.glob("*/*/src"))]
    environ = {**made.environ, "PYTHONPATH": os.pathsep.join([*folders, made.environ["PYTHONPATH"]])}
    return replace(made, environ=environ)


def speed(script: Path) -> dict[str, float]:
    """What the machine does at this moment: milliseconds of an empty interpreter, bare runs a second."""
    interpreter = [bare((sys.executable, "-c", "pass")) for _ in range(times(10))]
    runs = times(200)
    began = time.perf_counter()
    with ThreadPoolExecutor(16) as callers:
        list(callers.map(bare, [(str(script),)] * runs))
    return {"python": median(interpreter) * 1000, "bare": runs / (time.perf_counter() - began)}


def figures(world: World, script: Path, tag: str) -> dict[str, float]:
    """All figures of one gateway, once."""
    found: dict[str, float] = {}
    prompts = (f"{tag} {number}" for number in itertools.count())
    chosen = {"LLM_GATEWAY_PROVIDERS_CLAUDE_EXECUTABLE": str(script)}
    usual = {name: value for name, value in world.environ.items() if not name.startswith("LLM_GATEWAY_LIMITS_")}
    for width in WIDTHS:
        with replace(world, environ={**usual, **chosen}).serve() as client:
            _begin(client, prompts)
            found[f"polled {width}"], found[f"cpu {width}"] = _polled(client, prompts, width)
        limits = {"LLM_GATEWAY_LIMITS_RUNNING": str(width), "LLM_GATEWAY_LIMITS_PER_PROVIDER": str(width)}
        limits["LLM_GATEWAY_LIMITS_QUEUED"] = "1000"
        with replace(world, environ={**usual, **chosen, **limits}).serve() as client:
            _begin(client, prompts)
            found[f"waited {width}"] = _waited(client, prompts)
    with replace(world, environ={**usual, **chosen}).serve() as client:
        _begin(client, prompts)
        found.update(_calls(client, prompts, script))
    return found


def _asked(prompt: str, *, again: bool = False) -> dict[str, Any]:
    return {"prompt": prompt, "createNewSession": True, "forceRefresh": not again}


def _submit(client: Client, prompt: str, *, again: bool = False) -> str:
    return str(client.call("claude_request_async", _asked(prompt, again=again))[0]["job"]["id"])


def _until_ended(client: Client, job: str) -> None:
    while client.call("llm_job_status", {"jobId": job})[0]["job"]["status"] in ("queued", "running"):
        _PAUSE.wait(POLL_S)
    answer, _ = client.call("llm_job_result", {"jobId": job})
    assert answer["text"] == "the answer", answer


def _begin(client: Client, prompts: Iterator[str]) -> None:
    client.begin()
    _until_ended(client, _submit(client, next(prompts)))  # what is imported and started once, is


def _polled(client: Client, prompts: Iterator[str], width: int) -> tuple[float, float]:
    jobs = [next(prompts) for _ in range(times(200))]
    began, cpu = time.perf_counter(), _cpu_ms(client.pid)
    with ThreadPoolExecutor(width) as callers:
        list(callers.map(lambda prompt: _until_ended(client, _submit(client, prompt)), jobs))
    return len(jobs) / (time.perf_counter() - began), (_cpu_ms(client.pid) - cpu) / len(jobs)


def _waited(client: Client, prompts: Iterator[str]) -> float:
    asked = [next(prompts) for _ in range(times(200))]
    began = time.perf_counter()
    with ThreadPoolExecutor(16) as callers:
        left = list(callers.map(lambda prompt: _submit(client, prompt), asked))
    while left:
        answer, _ = client.call("llm_job_wait", {"jobIds": left[:100]})
        left = [*answer["pending"], *left[100:]]
    return len(asked) / (time.perf_counter() - began)


def _cpu_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS * 1000


def _calls(client: Client, prompts: Iterator[str], script: Path) -> dict[str, float]:
    known = next(prompts)
    finished = _submit(client, known, again=True)
    _until_ended(client, finished)
    running = _submit(client, "hang")
    answer = ""
    while answer != "running":
        answer = client.call("llm_job_status", {"jobId": running})[0]["job"]["status"]
    found = {
        "ping": _median_ms(lambda: client.ask("ping")),
        "status running": _median_ms(lambda: client.call("llm_job_status", {"jobId": running})),
        "status finished": _median_ms(lambda: client.call("llm_job_status", {"jobId": finished})),
        "result": _median_ms(lambda: client.call("llm_job_result", {"jobId": finished})),
        "dedup": _median_ms(lambda: _submit(client, known, again=True)),
    }
    client.call("llm_job_cancel", {"jobId": running})
    submits, syncs, runs = [], [], []
    for _ in range(times(40)):
        runs.append(bare((str(script),)))
        began = time.perf_counter()
        client.call("claude_request", _asked(next(prompts)))
        syncs.append(time.perf_counter() - began)
        began = time.perf_counter()
        job = _submit(client, next(prompts))
        submits.append(time.perf_counter() - began)
        client.call("llm_job_wait", {"jobIds": [job]})
    found["submit"] = median(submits) * 1000
    found["sync"] = (median(syncs) - median(runs)) * 1000
    return found


def _median_ms(call: Callable[[], Any]) -> float:
    took = []
    for _ in range(times(100)):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return median(took) * 1000
