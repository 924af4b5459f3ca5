"""The long run of the kills: as many rounds as asked for, of all kinds, several at once. `make chaos ROUNDS=10000`.

A round that fails is shown with its plan, and the others go on: what the whole of it comes to is said at the end.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from typing import NoReturn

from tests.chaos.plans import KINDS, plan
from tests.chaos.rounds import Round, play
from tests.chaos.world import World
from tests.chaos.zygote import Zygote

BATCH = 20  #: rounds in one home: the next gateway finds what many others left
JOBS = range(3, 11)  #: how many jobs come in a round


@dataclass(kw_only=True)
class Tally:
    """What rounds came to."""

    rounds: int = 0
    accepted: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    recoveries_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add the others to these."""
        self.rounds += other.rounds
        self.accepted += other.accepted
        self.kills += other.kills
        self.recoveries_s += other.recoveries_s
        self.failures += other.failures

    def count(self, one: Round) -> None:
        """Add a round that went well."""
        self.rounds += 1
        self.accepted += len(one.accepted)
        self.kills["gateway"] += sum(act.what == "kill" for act in one.plan.acts)
        self.kills["fork_server"] += one.fork_servers
        for struck in one.struck.values():
            self.kills.update(struck)
        if one.recovery_s is not None:
            self.recoveries_s.append(one.recovery_s)


@cache
def zygote() -> Zygote:
    """The one of this worker."""
    return Zygote()


def play_batch(seed: int, numbers: range) -> Tally:
    """Play rounds in one home, in a process of the pool; after a failure in a new one."""
    tally, waiting = Tally(), list(numbers)
    while waiting:
        folder = Path(tempfile.mkdtemp(prefix="c"))
        world = World(folder, zygote())
        try:
            while waiting:
                number = waiting.pop(0)
                kind = [*KINDS][number % len(KINDS)]
                tally.count(play(world, plan(seed, number, kind, jobs=JOBS[number * 7 % len(JOBS)])))
        except AssertionError as error:
            tally.rounds += 1
            tally.failures.append(str(error))
        finally:
            world.close()
            shutil.rmtree(folder, ignore_errors=True)
    return tally


def batches(first: int, rounds: int) -> Iterator[range]:
    """Cut the rounds into homes."""
    for begin in range(first, first + rounds, BATCH):
        yield range(begin, min(begin + BATCH, first + rounds))


def play_all(seed: int, first: int, rounds: int, workers: int) -> Tally:
    """Play all rounds, and say now and then how far it is."""
    tally, begun = Tally(), time.monotonic()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        waiting = [pool.submit(play_batch, seed, numbers) for numbers in batches(first, rounds)]
        try:
            for done in as_completed(waiting):
                tally.add(done.result())
                took_s = time.monotonic() - begun
                print(
                    f"{tally.rounds:6} of {rounds} rounds, {tally.accepted} accepted jobs, {len(tally.failures)} failures, "
                    f"{took_s:.0f} s",
                    flush=True,
                )
                for failure in done.result().failures:
                    print(f"\nFAILED: {failure}\n", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)  # what has begun is played to its end
    return tally


COLUMNS = (
    "day",
    "rounds",
    "accepted jobs",
    "killed gateways, fork servers, shims, agents",
    "runs canceled",
    "**rounds with a fault**",
    "recovery: median, 99 of 100, most",
    "minutes",
    "command",
)
HEAD = "\n".join(
    [
        "# Chaos runs",
        "",
        "Each long run of the kills adds a line: `make chaos ROUNDS=5000 JOBS=5 ARGS='--page docs/reference/chaos.md'`. How a round goes:",
        "`tests/chaos/plans.py`; what is looked at after each: `tests/chaos/rounds.py`; what is promised: [durability](../explanation/durability.md).",
        "A fault is a job lost, run twice or in a wrong state, or anything left behind. Recovery is the time from a gateway's opening to the",
        "answers of all that had ended without one, on a machine that several rounds at once keep busy.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|" + "---|" * len(COLUMNS),
        "",
    ]
)


def line(tally: Tally, command: str, took_s: float) -> str:
    """What the run showed, as a line of the table."""
    recoveries_ms = [one * 1000 for one in sorted(tally.recoveries_s)] or [0.0]
    most = max(recoveries_ms)
    late = quantiles(recoveries_ms, n=100, method="inclusive")[98] if len(recoveries_ms) > 1 else most
    cells = (
        f"{datetime.now(timezone.utc):%Y-%m-%d}",
        f"{tally.rounds:,}",
        f"{tally.accepted:,}",
        ", ".join(f"{tally.kills[what]:,}" for what in ("gateway", "fork_server", "shim", "agent")),
        f"{tally.kills['cancel']:,}",
        f"{len(tally.failures):,}",
        f"{median(recoveries_ms):.0f}, {late:.0f}, {most:.0f} ms",
        f"{took_s / 60:.0f}",
        f"`{command}`",
    )
    return f"| {' | '.join(cells)} |"


def leave(*_: object) -> NoReturn:
    """Begin no more rounds; those that were begun are played to their end, so that nothing stays behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough
    sys.exit("asked to end")


def main() -> int:
    """Run it; 1 when a round failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--first", type=int, default=0, help="number of the first round: one that failed, say")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--page", type=Path, help="the page of the manual that gets a line more")
    asked = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if asked.seed is None else asked.seed
    command = f"make chaos ROUNDS={asked.rounds} JOBS={asked.workers} SEED={seed}"
    if asked.first:
        command += f" ARGS='--first {asked.first}'"
    print(command, flush=True)
    signal.signal(signal.SIGTERM, leave)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        for name in [name for name in os.environ if name.startswith(("LLM_GATEWAY_", "XDG_"))]:
            del os.environ[name]
        os.environ |= {"HOME": scratch, "TMPDIR": scratch}
        tally = play_all(seed, asked.first, asked.rounds, asked.workers)
    told = line(tally, command, time.monotonic() - begun)
    if asked.page:
        known = asked.page.read_text() if asked.page.exists() else HEAD
        asked.page.write_text(f"{known}{told}\n")
    print(f"\n{' | '.join(COLUMNS)}\n{told}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
