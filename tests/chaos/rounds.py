"""Play a round: do what its plan says, open the next gateway, and see that every job came to its right end, once."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from tests.chaos.driven import PATIENCE_S, Answer, Driven, ask, listen
from tests.chaos.plans import Act, Plan
from tests.chaos.world import ENDED, World


@dataclass
class Round:
    """What happened in a round."""

    plan: Plan
    accepted: dict[str, Act] = field(default_factory=dict)  #: job id -> the call that it was the answer to
    struck: dict[str, set[str]] = field(default_factory=dict)  #: job id -> which of its processes were killed
    fork_servers: int = 0  #: how many fork servers were killed
    recovery_s: float | None = None  #: until all that had ended without a gateway was answered; None: nothing had


def play(world: World, plan: Plan) -> Round:
    """Play a round; a failure shows the plan by which it can be replayed."""
    try:
        return Play(world, plan).run()
    except Exception as error:
        stderr = (world.folder / "stderr").read_text()[-4000:]
        raise AssertionError(f"{error!r}\n\n{plan}\n\nThe gateways said:\n{stderr}") from error


class Play:
    """A round under way."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.round = Round(plan)
        self._sent: dict[int, tuple[Driven, int]] = {}  #: job number -> gateway and number of its call
        self._seen: set[str] = set(world.states()) if (world.home / "gateway.db").exists() else set()

    def run(self) -> Round:
        """Do it all."""
        world, plan = self.world, self.plan
        actors = [world.warm(plan.running) for _ in range(plan.gateways)]
        world.await_event(actors, "warm")
        for gateway in actors:
            gateway.open()
        world.await_event(actors, "open")
        following = world.warm()
        self._act(actors)
        for gateway in actors:
            if gateway.process.stdin and not gateway.process.stdin.closed:
                continue  # killed
            assert gateway.await_end(PATIENCE_S), "a gateway did not leave"
        self._collect(actors)
        for gateway in actors:
            world.drop(gateway)
        self.check_states()
        listen([following], lambda: False, time.monotonic() + plan.silence_s)
        self._recover(following)
        self._check_ends(following)
        world.drop(following, gently=True)
        world.await_silence()
        world.check_order()
        return self.round

    def _act(self, actors: list[Driven]) -> None:
        begun = time.monotonic()
        for act in self.plan.acts:
            listen(actors, lambda: False, begun + act.at_s)
            gateway = actors[act.gateway]
            if act.what == "call":
                arguments = {**act.arguments, "workingDir": str(self.world.work)}
                if not gateway.process.stdin.closed:  # type: ignore[union-attr]
                    self._sent[act.job] = (gateway, gateway.call(act.name, **arguments))
            elif act.what == "kill":
                gateway.kill()
            elif act.what == "eof":
                gateway.leave()
            elif act.what == "fork_server":
                self.round.fork_servers += self.world.strike(self.world.fork_server_of(gateway))
            else:
                self._strike_run(act, actors)

    def _strike_run(self, act: Act, actors: list[Driven]) -> None:
        self._collect(actors)
        for job_id, call in self.round.accepted.items():
            if call.job != act.job:
                continue
            if act.what == "cancel":
                struck = actors[act.gateway].call("llm_job_cancel", jobId=job_id) > 0
            else:
                struck = self.world.strike(self.world.pid_of(job_id, act.what))
            if struck:
                self.round.struck.setdefault(job_id, set()).add(act.what)

    def _collect(self, actors: list[Driven]) -> None:
        """Learn which jobs were accepted, from the answers."""
        for gateway in actors:
            gateway.read()
        calls = {act.job: act for act in self.plan.acts if act.what == "call"}
        for job, (gateway, number) in self._sent.items():
            answer, _ = gateway.answers.get(number, ({}, 0.0))
            assert "error" not in answer, f"{calls[job]}: {answer}"
            result = answer.get("result", {})
            job_id = result["job"]["id"] if "job" in result else result.get("jobId")
            if job_id:
                self.round.accepted[job_id] = calls[job]

    def check_states(self) -> None:
        """At any moment: nothing has ended that has no `exit.json`, and nothing has ended ill that nobody has struck."""
        for job_id, state in self.world.states().items():
            if job_id in self._seen or state not in ENDED:
                continue
            over = self.world.job_file(job_id, "exit.json") or (state == "canceled" and not self.world.starts()[job_id])
            assert over, f"{state}, but not over: {self.world.about(job_id)}"
            good = state == "completed" or job_id in self.round.struck
            assert good, f"{state}, and nobody struck it: {self.world.about(job_id)}"

    def _recover(self, gateway: Driven) -> None:
        """Open the next gateway, and measure how soon it answers for what ended while none lived."""
        self.world.await_event([gateway], "warm")
        waiting = [job for job, state in self.world.states().items() if state not in ENDED]
        over = [job for job in waiting if self.world.job_file(job, "exit.json")]
        begun = time.monotonic()
        gateway.open()
        if over:
            told, at = ask(gateway, "llm_job_wait", jobIds=over, until="all", timeoutMs=50_000)
            assert not told.get("pending"), told
            self.round.recovery_s = at - begun
        deadline = time.monotonic() + PATIENCE_S
        while waiting := [job for job, state in self.world.states().items() if state not in ENDED]:
            self.check_states()
            ask(gateway, "llm_job_wait", jobIds=waiting, until="any", timeoutMs=5_000)
            assert time.monotonic() < deadline, f"never ended: {waiting}"
        self.check_states()

    def _check_ends(self, gateway: Driven) -> None:
        states, starts = self.world.states(), self.world.starts()
        lost = set(self.round.accepted) - set(states)
        assert not lost, f"accepted, and lost: {lost}"
        calls = {str(act.arguments["prompt"]): act for act in self.plan.acts if act.what == "call"}
        for job_id in sorted(set(states) - self._seen):
            reply, _ = ask(gateway, "llm_job_result", jobId=job_id)
            request = self.world.job_file(job_id, "request.json")
            assert request
            call = calls[_prompt_of(request)]
            assert self.round.accepted.get(job_id, call) is call, f"{job_id} is the answer to another call"
            struck = self.round.struck.get(job_id, set())
            if not struck:
                check_good(reply, call, starts[job_id])
            else:
                check_struck(self.world, reply, call, starts[job_id], struck)
            stdout = self.world.home / "jobs" / job_id / "stdout"
            assert not stdout.exists() or stdout.read_bytes().count(b'{"type": "session"') <= 1, f"{job_id} ran twice"


def check_good(reply: Answer, call: Act, starts: int) -> None:
    """What nobody has struck is completed, was started once, and has its exact answer."""
    assert (reply["status"], starts) == ("completed", 1), f"{call}: {starts} starts, {reply}"
    scenario = call.arguments.get("scenario")
    expected = f"echo: {re.escape(call.arguments['prompt'])}"
    if scenario == "detach":
        expected = r"detached: \d+"
        assert [w["code"] for w in reply["warnings"]] == ["descendants_ended"], reply
    elif scenario == "flood":
        expected = f"flood: {call.arguments['amount']} bytes"
    assert re.fullmatch(expected, reply["text"]), f"{call}: {reply['text'][:200]!r}"


def check_struck(world: World, reply: Answer, call: Act, starts: int, struck: set[str]) -> None:
    """What was struck ended as its verdict says, keeps what it wrote, and was started at most once."""
    verdict = world.job_file(reply["jobId"], "exit.json") or {"reason": "canceled"}  # it never left the queue
    assert starts <= 1, f"{call}: {starts} starts"
    if verdict["reason"] == "canceled":
        assert ("cancel" in struck, reply["status"], "error" in reply) == (True, "canceled", False), f"{call}: {reply}"
    elif verdict["reason"] == "vanished":
        assert "shim" in struck, f"{call}: {verdict}"
        assert (reply["status"], reply["error"]["code"]) == ("interrupted", "interrupted"), f"{call}: {reply}"
        stdout = world.home / "jobs" / reply["jobId"] / "stdout"
        said = stdout.read_bytes() if stdout.exists() else b""  # killed before there was any
        assert (b'"type": "text"' in said.rpartition(b"\n")[0]) == bool(reply["text"]), f"{call}: {reply}"
    elif verdict.get("signal"):
        assert "agent" in struck, f"{call}: {verdict}"
        assert (reply["status"], reply["error"]["code"]) == ("failed", "interrupted"), f"{call}: {reply}"
    else:
        check_good(reply, call, starts)


def _prompt_of(request: Answer) -> str:
    while "prompt" not in request:  # stored nouns may lie in an envelope
        request = next(value for value in request.values() if isinstance(value, dict))
    prompt = request["prompt"]
    return str(prompt["text"] if isinstance(prompt, dict) else prompt)
