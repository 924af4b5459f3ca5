"""A home under attack: its gateways, its processes, its job files, and what must be true of them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tests.chaos.driven import PATIENCE_S, Driven, listen
from tests.chaos.refusals import Refusals
from tests.chaos.zygote import Zygote

JOB_FILES = {"request.json", "spec.json", "state.json", "exit.json", "reply.txt", "lock", "cancel"}
JOB_FILES |= {"stdin", "stdout", "stderr", "files", "artifacts"}
ENDED = {"completed", "failed", "canceled", "interrupted"}


class World:
    """One home and everything that happens in it."""

    def __init__(self, folder: Path, zygote: Zygote | None = None) -> None:
        self.folder = folder
        self._zygote = zygote  #: forks the gateways; without one each is started
        self.home, self.work, self.ledger = folder / "home", folder / "work", folder / "ledger"
        self.work.mkdir()
        self.home.mkdir(mode=0o700)
        self.ledger.touch()
        program = folder / "counted-echo"  # writes down each start: nothing that runs twice stays unseen
        real = Path(sys.executable).with_name("llm-gateway-echo")
        program.write_text(f'#!/bin/sh\necho "$LLM_GATEWAY_JOB" >> "{self.ledger}"\nexec "{real}" "$@"\n')
        program.chmod(0o700)
        self.env = {
            **os.environ,
            "LLM_GATEWAY_HOME": str(self.home),
            "LLM_GATEWAY_ECHO_HOME": str(folder / "echo"),
            "LLM_GATEWAY_PROVIDERS_ECHO_EXECUTABLE": str(program),
        }
        self.launcher: list[str] = []  #: what stands before a gateway's command
        self.gateways: list[Driven] = []

    # ------------------------------------------------------------------------------------------------------- gateways

    def warm(self, running: int = 32, under: Refusals | None = None) -> Driven:
        """Start the process of a gateway, which does not open yet."""
        limits = {"LLM_GATEWAY_LIMITS_RUNNING": str(running), "LLM_GATEWAY_LIMITS_PER_PROVIDER": str(running)}
        gateway = Driven({**self.env, **limits}, self.folder / "stderr", self._zygote, under, self.launcher)
        self.gateways.append(gateway)
        return gateway

    def await_event(self, gateways: Iterable[Driven], name: str) -> None:
        """Wait until all of them have said that they are `warm`, or `open`."""
        waiting = list(gateways)
        listen(waiting, lambda: all(name in g.events or g.ended for g in waiting), time.monotonic() + PATIENCE_S)
        assert all(name in g.events for g in waiting), f"a gateway did not come to be {name}"

    def drop(self, gateway: Driven, *, gently: bool = False) -> None:
        """Let go of a gateway, `gently` as a client that leaves it time to end by itself."""
        if gently:
            gateway.leave()
            assert gateway.await_end(PATIENCE_S), "a gateway did not leave"
            assert gateway.process.wait(10) == 0
        gateway.close()
        self.gateways.remove(gateway)

    def close(self) -> None:
        """After a failure: end everything."""
        for gateway in [*self.gateways]:
            self.drop(gateway)
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # ------------------------------------------------------------------------------------------------------ processes

    def processes(self) -> dict[int, str]:
        """Every process that has this world in its environment: fork servers, shims, agents and what those left behind."""
        found = {}
        mark = os.fsencode(f"{self.folder}/")
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            with suppress(OSError):
                if mark in Path(f"/proc/{pid}/environ").read_bytes():
                    found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return found

    def fork_server_of(self, gateway: Driven) -> int | None:
        """The process that forks the shims of a gateway."""
        for pid, words in self.processes().items():
            with suppress(OSError):
                parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == gateway.process.pid and re.search(
                    r"fork_server\.py fork_server \d", words
                ):  # not: once
                    return pid
        return None

    def pid_of(self, job_id: str, who: str) -> int | None:
        """The shim or the agent of a job, as its job files name it."""
        state = self.job_file(job_id, "state.json")
        return int(state[who]["pid"]) if state and state.get(who) else None

    def strike(self, pid: int | None) -> bool:
        """SIGKILL, if this is still one of ours."""
        if pid is None or pid not in self.processes():
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    # --------------------------------------------------------------------------------------------------------- job files

    def job_file(self, job_id: str, name: str) -> dict[str, Any] | None:
        """A document in a job's folder; None: not there (yet)."""
        try:
            document: dict[str, Any] = json.loads((self.home / "jobs" / job_id / name).read_bytes())
        except FileNotFoundError:
            return None
        return document

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the store's file."""
        with closing(sqlite3.connect(f"file:{self.home}/gateway.db?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(query).fetchall()

    def states(self) -> dict[str, str]:
        """Job id -> state, as the store has it now."""
        return dict(self.rows("SELECT id, state FROM jobs"))

    def about(self, job_id: str) -> str:
        """All that is known of a job, for the message of a failure."""
        told = [f"{job_id}: {self.starts()[job_id]} starts"]
        told += [str(row) for row in self.rows(f"SELECT state, owner, doc FROM jobs WHERE id = '{job_id}'")]
        for path in sorted((self.home / "jobs" / job_id).glob("*")):
            if path.is_file():
                told.append(f"{path.name}: {path.read_bytes()[:1000]!r}")
        return "\n  ".join(told)

    def starts(self) -> Counter[str]:
        """How often the agent of each job was started."""
        return Counter(self.ledger.read_text().split())

    def await_gone(self, pid: int | None) -> None:
        """Wait until a process is no more."""
        with suppress(ProcessLookupError):
            gone = os.pidfd_open(pid or 0)
            try:
                assert select.select([gone], [], [], 20)[0]
            finally:
                os.close(gone)

    def await_silence(self) -> None:
        """Wait until no process of this world is left; fails with their names."""
        deadline = time.monotonic() + 10
        while left := self.processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    gone = os.pidfd_open(pid)
                    try:
                        select.select([gone], [], [], max(0, deadline - time.monotonic()))
                    finally:
                        os.close(gone)
            assert time.monotonic() < deadline, f"left behind: {left}"

    def check_order(self) -> None:
        """No gateway lives, no lock is held, no draft lies about, what was never accepted never ran, the store is sound."""
        for lock in [*self.home.glob("gateways/*"), *self.home.glob("jobs/*/lock")]:
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: somebody lives
        jobs = self.states()
        for folder in self.home.glob("jobs/*"):
            left = {path.name for path in folder.iterdir()}
            if folder.name in jobs:
                strange = left - JOB_FILES
            else:  # A gateway that is killed while it accepts a request leaves what it had written, until retention ends.
                strange = {name for name in left if name != "request.json" and not name.startswith(".request.json.")}
            assert not strange, f"in {folder.name} lie {strange}"
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        twice = self.rows("SELECT job_id, count(*) FROM records GROUP BY job_id HAVING count(*) > 1")
        assert not twice, f"recorded twice: {twice}"
