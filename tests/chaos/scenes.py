"""What tests of single moments have in common."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import anyio

from llm_gateway_engine_local.peers.notifier import Notifier
from tests.chaos.driven import PATIENCE_S, Driven, ask
from tests.chaos.refusals import Refusals
from tests.chaos.world import ENDED, World

#: Mounting and control groups are for root; where nobody is, these tests fail and say so.
SUDO = [] if os.geteuid() == 0 else ["sudo", "-n"]


def open_all(world: World, count: int, under: Refusals | None = None) -> list[Driven]:
    gateways = [world.warm(under=under) for _ in range(count)]
    world.await_event(gateways, "warm")
    for gateway in gateways:
        gateway.open()
    world.await_event(gateways, "open")
    return gateways


def start(world: World, gateway: Driven, *prompts: str, **options: object) -> list[str]:
    told = [
        ask(gateway, "echo_request_async", prompt=prompt, workingDir=str(world.work), **options)[0]
        for prompt in prompts
    ]
    return [answer["job"]["id"] for answer in told]


def launched(world: World, gateway: Driven, jobs: list[str]) -> None:
    """Wait until their programs have begun: `state.json` is there before."""
    deadline = time.monotonic() + PATIENCE_S
    while not all(world.starts()[job] and world.job_file(job, "state.json") for job in jobs):
        assert time.monotonic() < deadline, "they do not begin"
        ask(gateway, "llm_process_health")


def freeze_fork_server(world: World, gateway: Driven) -> int:
    """Have a gateway start its fork server, and stop it: launches get as far as its socket."""
    (first,) = start(world, gateway, "wake up")
    ask(gateway, "llm_job_wait", jobIds=[first])
    fork_server = world.fork_server_of(gateway)
    assert fork_server
    os.kill(fork_server, signal.SIGSTOP)
    return fork_server


def await_ends(world: World, job_ids: list[str], patience_s: float = 20) -> None:
    """Wait until jobs have ended in the store, without asking any gateway."""
    await_notifications(world, lambda: all(world.states()[job_id] in ENDED for job_id in job_ids), patience_s)


def await_job_files(world: World, job_ids: list[str], name: str, patience_s: float = 20) -> None:
    """Wait until each job has a document, without asking any gateway."""
    await_notifications(world, lambda: all(world.job_file(job_id, name) for job_id in job_ids), patience_s)


def await_notifications(world: World, until: Callable[[], bool], patience_s: float) -> None:
    """Wait until something is true: the notifications of the home tell when to look."""
    notifier = Notifier(world.home, "the-test")
    notifier.open()

    async def wait() -> None:
        with anyio.fail_after(patience_s):
            while not until():
                await notifier.receive()

    try:
        anyio.run(wait)
    finally:
        notifier.close()


def check_ran_once(world: World, gateway: Driven, *job_ids: str) -> None:
    begun = {job_id: world.starts()[job_id] for job_id in job_ids}
    assert begun == dict.fromkeys(job_ids, 1), begun
    replies = [ask(gateway, "llm_job_result", jobId=job_id)[0] for job_id in job_ids]
    assert [reply["status"] for reply in replies] == ["completed"] * len(job_ids)


def leave(world: World, *gateways: Driven) -> None:
    for gateway in gateways:
        world.drop(gateway, gently=True)
    world.await_silence()
    world.check_order()
