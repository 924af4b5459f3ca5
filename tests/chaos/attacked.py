"""A run behind `llm-gateway serve`, what its agent can do to its own job's folder, and what must not be touched meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.bench.world import Client

ANSWER_S = 10.0  #: of a busy machine; what an attack could hold up would hang for ever
ENDED = {"completed", "failed", "canceled", "interrupted"}
Steps = list[tuple[str, Any]]
NAMES = (
    "stdin",
    "stdout",
    "stderr",
    "state.json",
    "exit.json",
    "spec.json",
    "request.json",
    "reply.txt",
    "lock",
    "cancel",
    "files",
    "artifacts",
)
#: Answers at once when it is asked for its version: a gateway that is killed meanwhile would leave that process behind.
AGENT = '#!/bin/sh\n[ "$1" = --version ] && exec echo 1.0\nprintf \'{"type": "text", "text": "at work"}\\n\'\nexec sleep 600\n'


class Attacked:
    """A home with a gateway, a run in it, and what must not be touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = folder / "outside"
        (self.outside / "deep").mkdir(parents=True)
        for name in (*NAMES, "deep/file"):
            (self.outside / name).write_text(f"canary of {name}\n")
        self.before = self.picture()
        program = folder / "agent"
        program.write_text(AGENT)
        program.chmod(0o700)
        self.work = folder / "work"
        self.work.mkdir()
        self.home = folder / "home"
        self.env = {
            **os.environ,
            "LLM_GATEWAY_HOME": str(self.home),
            "LLM_GATEWAY_ECHO_HOME": str(folder / "echo"),
            "LLM_GATEWAY_PROVIDERS_ECHO_EXECUTABLE": str(program),
        }

    def picture(self) -> dict[str, tuple[int, bytes]]:
        """Every file outside, with its mode and content."""
        return {
            str(path): (path.lstat().st_mode, path.read_bytes()) for path in self.outside.rglob("*") if path.is_file()
        }

    @contextmanager
    def gateway(self) -> Iterator[Client]:
        command = [sys.executable, "-m", "llm_gateway.cli", "serve"]
        with (
            (self.folder / "log").open("a") as log,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=self.env, cwd=self.work
            ) as process,
        ):
            client = Client(process)
            client.begin()
            try:
                yield client
            finally:
                client.close()

    def start(self, client: Client) -> str:
        started, _ = client.call(
            "echo_request_async", {"prompt": "attack", "forceRefresh": True, "workingDir": str(self.work)}
        )
        job = str(started["job"]["id"])
        deadline = time.monotonic() + 30
        while status(client, job).get("stdoutBytes", 0) == 0:
            assert time.monotonic() < deadline, "the agent did not begin"
        return job

    def job(self, job_id: str) -> Path:
        return self.home / "jobs" / job_id


def status(client: Client, job: str) -> dict[str, Any]:
    return client.call("llm_job_status", {"jobId": job})[0]


def ask_everything(client: Client, job: str) -> str:
    """Every call that looks at a job: answered soon, with words and not with a traceback; the job's state."""
    found = ""
    for name, arguments in (
        ("llm_job_status", {"jobId": job}),
        ("llm_job_result", {"jobId": job}),
        ("llm_job_result", {"jobId": job, "raw": "stdout"}),
        ("llm_job_result", {"jobId": job, "raw": "stderr", "offset": 2**40}),
        ("llm_job_list", {}),
        ("llm_process_health", {}),
        ("llm_job_wait", {"jobIds": [job], "timeoutMs": 0}),
    ):
        result, _, took = client.ask_raw("tools/call", name=name, arguments=arguments)
        words = json.dumps(result)
        assert took < ANSWER_S, f"{name} took {took:.1f} s"
        assert "canary" not in words, f"{name} told what lies elsewhere"
        assert "Traceback" not in words
        if name == "llm_job_status" and not result.get("isError"):
            found = result["structuredContent"]["job"]["status"]
    return found


# ------------------------------------------------------------------------------------------------- what an agent can do


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def as_link(path: Path, world: Attacked) -> None:
    path.symlink_to(world.outside / path.name)


def as_hard_link(path: Path, world: Attacked) -> None:
    os.link(world.outside / path.name, path)


def as_link_to_a_directory(path: Path, world: Attacked) -> None:
    path.symlink_to(world.outside / "deep")


def as_endless_device(path: Path, world: Attacked) -> None:
    path.symlink_to("/dev/zero")


def as_fifo(path: Path, world: Attacked) -> None:
    os.mkfifo(path)


def as_directory(path: Path, world: Attacked) -> None:
    (path / "deep" / "deeper").mkdir(parents=True)
    (path / "link").symlink_to(world.outside)


def as_huge_file(path: Path, world: Attacked) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def as_noise(path: Path, world: Attacked) -> None:
    path.write_bytes(b"\xff\xfe\x00{not json" * 1000)


def as_deep_json(path: Path, world: Attacked) -> None:
    path.write_text("[" * 100_000)


def as_nothing(path: Path, world: Attacked) -> None:
    pass


PLANTED: list[Callable[[Path, Attacked], None]] = [
    as_link,
    as_hard_link,
    as_link_to_a_directory,
    as_endless_device,
    as_fifo,
    as_directory,
    as_huge_file,
    as_noise,
    as_deep_json,
    as_nothing,
]

ABSURD = st.sampled_from(
    [
        None,
        -1,
        2**70,
        1e308,
        "",
        "9999-12-31T23:59:59+00:00",
        "0001-01-01T00:00:00",
        "now",
        [],
        {},
        [[0, 2**62]],
        True,
        "\x1b[31m",
    ]
)
EXIT_KEYS = (
    "reason",
    "exit_code",
    "signal",
    "detail",
    "started_at",
    "ended_at",
    "stdout_bytes",
    "stderr_bytes",
    "holes",
    "killed_descendants",
    "schema",
)
FORGED_EXIT = {
    "schema": 1,
    "reason": "exited",
    "exit_code": 0,
    "started_at": "2026-01-01T00:00:00+00:00",
    "ended_at": "2026-01-01T00:00:01+00:00",
    "stdout_bytes": 5,
    "stderr_bytes": 0,
}


@st.composite
def attacks(draw: st.DrawFn) -> Steps:
    """A few changes of the folder's entries, each (name, what is put in its place)."""
    planted = st.tuples(st.sampled_from(NAMES), st.sampled_from(PLANTED))
    changed = st.dictionaries(st.sampled_from(EXIT_KEYS), ABSURD, max_size=4)
    exits = changed.map(lambda values: ("exit.json", {**FORGED_EXIT, **values}))
    states = st.dictionaries(st.sampled_from(("started_at", "schema")), ABSURD, max_size=2)
    forged_states = states.map(lambda values: ("state.json", values))
    return draw(st.lists(st.one_of(planted, exits, forged_states), min_size=1, max_size=4))


def carry_out(world: Attacked, job: Path, steps: Steps, victim: int) -> None:
    for name, what in steps:
        path = job / name
        clear(path)
        if callable(what):
            with suppress(OSError):  # of a file system that does without, such as hard links
                what(path, world)
        elif name == "state.json":  # who is said to be the shim and the agent is a stranger
            stranger = {"pid": victim, **identity_of(victim)}
            document = {
                "schema": 1,
                "started_at": "2026-01-01T00:00:00+00:00",
                "shim": stranger,
                "agent": stranger,
                **what,
            }
            path.write_text(json.dumps(document))
        else:
            path.write_text(json.dumps(what))


def identity_of(pid: int) -> dict[str, str]:
    start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return {"start": start, "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip()}


def end_of(client: Client, job: str) -> str:
    """The state in which a job ends."""
    deadline = time.monotonic() + 60
    while (state := status(client, job)["job"]["status"]) not in ENDED:
        assert time.monotonic() < deadline, f"it stayed {state}"
        client.call("llm_job_wait", {"jobIds": [job], "timeoutMs": 1000})
    return state
