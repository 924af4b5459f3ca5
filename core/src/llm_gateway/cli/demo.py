"""`llm-gateway demo`: three reviewers at once, the gateway killed in the middle, and every answer still there."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from llm_gateway.cli.answers import facts
from llm_gateway.cli.demo_diff import change_to_review
from llm_gateway.cli.demo_gateway import (
    DemoError,
    DemoGateway,
    demo_environment,
    end_everything,
    gateway_process,
    is_running,
)
from llm_gateway.cli.exits import Exit
from llm_gateway.cli.failures import UsageError
from llm_gateway.cli.running import run_async
from llm_gateway.cli.screen import one_line, say, say_json, state, styled
from llm_gateway.cli.versions import look_at_provider
from llm_gateway.files import make_private
from llm_gateway.gateway import find_plugins

_IMITATION = "echo"
#: The imitation works for about four seconds, and says what it does.
_PLAY = {"scenario": "steps", "amount": 6, "delayMs": 700}
_FOCUS = ("correctness", "security", "tests")
_ABOUT_IMITATION = (
    "echo is an imitation: it answers with what it was asked, and its price is invented. "
    "Real reviewers: agents that are installed and logged in, or --with NAME"
)
_TIMEOUT_S = 900.0
_LOOK_MS = 250
_SHOWN_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """A reviewer."""

    number: int
    provider: str
    focus: str
    prompt: str

    @property
    def name(self) -> str:
        """How the reviewer is called on the screen."""
        return f"reviewer {self.number} ({self.provider}, {self.focus})"


def run(options: argparse.Namespace) -> int:
    """Show it."""
    return run_async(lambda _scopes: Demo(options).show())


class Demo:
    """One showing."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._json: bool = options.json
        self._out = sys.stderr if options.json else sys.stdout
        self._fresh = options.home is None
        self._home = Path(tempfile.mkdtemp(prefix="llm-gateway-demo-") if self._fresh else options.home).absolute()
        make_private(self._home)
        self._environ = demo_environment(self._home, fresh=self._fresh)
        self._began = time.monotonic()
        self._running = False

    async def show(self) -> int:
        """Run the demo, and leave nothing behind."""
        try:
            return await self._show()
        except Exception as error:
            cause = _cause(error)
            if not isinstance(cause, DemoError):
                raise cause from None
            self._say(f"llm-gateway: {cause}", "red")
            return Exit.FAILED
        finally:
            with anyio.CancelScope(shield=True):
                if self._running:
                    self._say("ending the reviewers")
                    await end_everything(self._environ)
                if self._fresh:
                    await to_thread.run_sync(lambda: shutil.rmtree(self._home, ignore_errors=True))

    async def _show(self) -> int:
        providers = await _reviewers(self._options, self._environ)
        title, diff = await to_thread.run_sync(change_to_review)
        reviewers = [
            Reviewer(number=number, provider=provider, focus=focus, prompt=_prompt(number, focus, title, diff))
            for number, (provider, focus) in enumerate(zip(providers, _FOCUS, strict=True), 1)
        ]
        self._say(f"Three reviewers look at: {one_line(title, 90)} ({len(diff.encode()):,} bytes)", "bold")
        async with gateway_process(self._home, self._environ) as gateway:
            self._say(f"gateway {gateway.pid} is up")
            jobs = await self._hand_in(gateway, reviewers)
            await self._watch(gateway, jobs, until_all_work=True)
            agents = await self._agents(gateway)
            gateway.kill()
        self._say(f"gateway {gateway.pid} is killed (SIGKILL), in the middle of it", "red")
        alive = sum(map(is_running, agents))
        self._say(f"{alive} of {len(agents)} agents work on without it")
        async with gateway_process(self._home, self._environ) as gateway:
            self._say(f"gateway {gateway.pid} is up, and has found the jobs again")
            await self._watch(gateway, jobs, until_all_work=False)
            results = {job_id: await gateway.call("llm_job_result", jobId=job_id) for job_id in jobs}
        self._running = False
        return self._close(jobs, results, agents_survived=alive)

    async def _hand_in(self, gateway: DemoGateway, reviewers: list[Reviewer]) -> dict[str, Reviewer]:
        tools = await gateway.tools()
        for reviewer in reviewers:
            if f"{reviewer.provider}_request_async" not in tools:
                raise DemoError(
                    f"there is no provider {reviewer.provider} here, or its program is not installed. "
                    "`llm-gateway doctor` says what is missing and how to install it."
                )
        jobs: dict[str, Reviewer] = {}

        async def one(reviewer: Reviewer) -> None:
            play = _PLAY if reviewer.provider == _IMITATION else {}
            arguments = {"prompt": reviewer.prompt, "forceRefresh": True, "timeoutMs": round(_TIMEOUT_S * 1000), **play}
            accepted = await gateway.call(
                f"{reviewer.provider}_request_async", correlationId=f"demo-{reviewer.number}", **arguments
            )
            jobs[accepted["job"]["id"]] = reviewer
            self._say(f"{reviewer.name}: {accepted['job']['id']}")

        self._running = True
        for reviewer in reviewers:
            await one(reviewer)
        return jobs

    async def _watch(self, gateway: DemoGateway, jobs: Mapping[str, Reviewer], *, until_all_work: bool) -> None:
        """Tell what the reviewers do, until each has said something, or all have ended."""
        told: dict[str, str] = {}
        with anyio.fail_after(_TIMEOUT_S + 60):
            while True:
                await gateway.call("llm_job_wait", jobIds=list(jobs), until="all", timeoutMs=_LOOK_MS)
                stands = {job_id: await gateway.call("llm_job_status", jobId=job_id) for job_id in jobs}
                for job_id, stand in stands.items():
                    doing = one_line(stand.get("doing") or stand["job"]["status"], 90)
                    if told.get(job_id) != doing:
                        told[job_id] = doing
                        self._say(f"{jobs[job_id].name}: {doing}", "dim")
                ended = [stand["job"]["status"] not in ("queued", "running") for stand in stands.values()]
                works = [stand["stdoutBytes"] > 0 or stand["silenceIsNormal"] for stand in stands.values()]
                if all(ended) or (until_all_work and all(e or w for e, w in zip(ended, works, strict=True))):
                    return

    async def _agents(self, gateway: DemoGateway) -> list[int]:
        health = await gateway.call("llm_process_health")
        return [run["pid"] for run in health["running"] if run.get("pid")]

    def _close(self, jobs: Mapping[str, Reviewer], results: Mapping[str, dict[str, Any]], agents_survived: int) -> int:
        lost = [job_id for job_id, result in results.items() if not _whole(jobs[job_id], result)]
        if self._json:
            say_json({"ok": not lost, "agentsSurvived": agents_survived, "results": list(results.values())})
        for job_id, result in sorted(results.items(), key=lambda item: jobs[item[0]].number):
            self._tell_answer(jobs[job_id], result)
        if any(reviewer.provider == _IMITATION for reviewer in jobs.values()):
            say("", self._out)
            say(styled(_ABOUT_IMITATION, "dim", self._out), self._out)
        took = time.monotonic() - self._began
        if lost:
            self._say(f"{len(lost)} of {len(jobs)} answers are missing or incomplete: {', '.join(lost)}", "red")
            return Exit.FAILED
        self._say(
            f"The gateway was killed while {len(jobs)} agents worked, and started again: "
            f"{len(jobs)} of {len(jobs)} answers are here, whole. Nothing was lost. ({took:.1f} s)",
            "green",
        )
        return Exit.OK

    def _tell_answer(self, reviewer: Reviewer, result: dict[str, Any]) -> None:
        say("", self._out)
        head = [styled(reviewer.name, "bold", self._out), state(result["status"], self._out), *facts(result)]
        say(" · ".join([*head, result["jobId"]]), self._out)
        if error := result.get("error"):
            say(f"    {error['code']}: {one_line(error['message'])}", self._out)
        lines = result.get("text", "").splitlines()
        for line in lines[:_SHOWN_LINES]:
            say(f"    {one_line(line, 110)}", self._out)
        if len(lines) > _SHOWN_LINES:
            say(styled(f"    … and {len(lines) - _SHOWN_LINES:,} more lines", "dim", self._out), self._out)

    def _say(self, text: str, style: str | None = None) -> None:
        stamp = styled(f"{time.monotonic() - self._began:5.1f} s ", "dim", self._out)
        say(stamp + (styled(text, style, self._out) if style else text), self._out)


async def _reviewers(options: argparse.Namespace, environ: Mapping[str, str]) -> list[str]:
    """Who sits where: whoever is named, or every agent that is installed and logged in; the imitation takes the rest."""
    if options.providers and options.named:
        raise UsageError("--providers and --with exclude each other")
    named: list[str] = [name.strip() for name in options.providers.split(",")] if options.providers else options.named
    if len(named) > len(_FOCUS) or (options.providers and len(named) != len(_FOCUS)) or not all(named):
        raise UsageError(f"there are {len(_FOCUS)} reviewers; name a provider for each, with commas")
    if not named:
        host, settings = find_plugins(environ)
        looks = [await look_at_provider(info, settings, environ) for info in host.providers.values()]
        named = [look["name"] for look in looks if look["login"] == "yes"][: len(_FOCUS)]
    return [*named, *[_IMITATION] * (len(_FOCUS) - len(named))]


def _cause(error: Exception) -> Exception:
    """What really happened: task groups wrap what goes through them."""
    inner: tuple[Exception, ...] = getattr(error, "exceptions", ())
    if inner:
        return _cause(inner[0])
    if type(error).__module__.partition(".")[0] == "mcp":
        return DemoError(f"the gateway broke off the conversation ({error}); what it said stands above")
    return error


def _prompt(number: int, focus: str, title: str, diff: str) -> str:
    return (
        f"You are reviewer {number} of {len(_FOCUS)}. Look at the {focus} of this change only, and change no file. "
        f"Answer with the three most important findings, or say that there are none.\n\n{title}\n\n{diff}"
    )


def _whole(reviewer: Reviewer, result: Mapping[str, Any]) -> bool:
    """Whether an answer is all there: the imitation's to the last character, a real agent's own failure as well."""
    if reviewer.provider == _IMITATION:
        return result["status"] == "completed" and result.get("text") == f"echo: {reviewer.prompt}"
    return result["status"] == "failed" or (result["status"] == "completed" and bool(result.get("text")))
