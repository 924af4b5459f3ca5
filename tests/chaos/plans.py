"""The random machine: from a seed to a plan of what is done, and when. Pure, so that a failure can be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

JOBS = 20
COME_S, SPAN_S = 0.3, 0.8  #: the time in which jobs come in, and in which strikes fall
#: What else may be killed in a round, and how often it is tried: `shim` and `agent` a job's own, `fork_server` while jobs
#: come in; a `cancel` is asked for.
KINDS: dict[str, tuple[tuple[str, ...], int]] = {
    "gateways": ((), 0),
    "runs": (("shim", "agent"), 12),
    "fork_servers": (("fork_server",), 10),
    "cancels": (("cancel", "cancel", "fork_server"), 12),
    "everything": (("fork_server", "shim", "agent", "cancel"), 16),
}


@dataclass(frozen=True, kw_only=True)
class Act:
    """Something that is done at a moment of a round, to or through one of its gateways."""

    at_s: float
    what: str  #: call, cancel, kill, eof, fork server, shim, agent
    gateway: int = 0
    job: int = -1  #: its number in the round
    name: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = f"{self.name} {self.arguments}" if self.what == "call" else f"{self.what} {self.job}"
        return f"{self.at_s * 1000:4.0f} ms  gateway {self.gateway}  {words}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One round."""

    seed: int
    number: int
    kind: str  #: of KINDS
    gateways: int
    running: int  #: the limit of running jobs
    acts: tuple[Act, ...]
    silence_s: float  #: how long no gateway lives before the next one opens

    def __str__(self) -> str:
        head = (
            f"CHAOS_SEED={self.seed} round {self.number} ({self.kind}): {self.gateways} gateways, {self.running} places"
        )
        return "\n  ".join([head, *map(str, self.acts), f"then {self.silence_s * 1000:.0f} ms without a gateway"])


def plan(seed: int, number: int, kind: str, *, jobs: int = JOBS) -> Plan:
    """Plan a round in which every gateway comes to an end."""
    strikes, shots = KINDS[kind]
    random = Random(f"{seed}/{number}")
    gateways = random.choice((1, 1, 2))
    acts = list(_ends(random, gateways))
    last_s = [act.at_s for act in sorted(acts, key=lambda act: act.gateway) if act.what in ("kill", "eof")]
    for job in range(jobs):
        gateway = random.randrange(gateways)
        acts.append(_call(random, number, job, gateway, min(last_s[gateway], COME_S)))
    for _ in range(shots):
        what = random.choice(strikes)
        at_s = random.uniform(0, COME_S if what == "fork_server" else SPAN_S)
        acts.append(Act(at_s=at_s, what=what, gateway=random.randrange(gateways), job=random.randrange(jobs)))
    return Plan(
        seed=seed,
        number=number,
        kind=kind,
        gateways=gateways,
        running=random.choice((32, 32, 32, 6)),
        acts=tuple(sorted(acts, key=lambda act: act.at_s)),
        silence_s=random.choice((0.0, random.uniform(0, 0.4))),
    )


def _ends(random: Random, gateways: int) -> Iterator[Act]:
    """Each gateway is killed or left by its client; two of them at once, or one after the other."""
    together = random.random() < 0.5
    first_s = random.uniform(0.05, SPAN_S)
    for gateway in range(gateways):
        at_s = first_s if together else random.uniform(0.05, SPAN_S)
        if random.random() < 0.3:
            yield Act(at_s=at_s, what="fork_server", gateway=gateway)
        yield Act(at_s=at_s, what="eof" if random.random() < 0.2 else "kill", gateway=gateway)


def _call(random: Random, number: int, job: int, gateway: int, before_s: float) -> Act:
    delay_ms = random.choice((10, 20, 50, 100, 200))
    kind = random.choices(("steps", "echo", "ignore", "detach", "flood"), (14, 2, 2, 1, 1))[0]
    options: dict[str, dict[str, Any]] = {
        "steps": {"scenario": "steps", "amount": random.randint(1, 5), "delayMs": delay_ms},
        "echo": {},
        "ignore": {"scenario": "steps", "delayMs": delay_ms, "onTerm": "ignore"},
        "detach": {"scenario": "detach"},
        "flood": {"scenario": "flood", "amount": random.randint(1, 4) * 1_000_000},
    }
    return Act(
        at_s=random.uniform(0, before_s),
        what="call",
        gateway=gateway,
        job=job,
        name="echo_request" if random.random() < 0.15 else "echo_request_async",
        arguments={"prompt": f"round {number} job {job}", **options[kind]},
    )
