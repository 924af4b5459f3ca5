"""`llm-gateway demo`: three reviewers run at once, the gateway is killed, and no answer is lost."""

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

from llm_gateway import (
    Exit,
    UsageError,
    answer_facts,
    one_line,
    run_async,
    say,
    say_json,
    styled,
    styled_state,
)
from llm_gateway.files import make_private
from llm_gateway_extension_builtin.demo.demo_gateway import (
    DemoError,
    DemoGateway,
    cancel_all,
    demo_environment,
    gateway_process,
    is_running,
)
from llm_gateway_extension_builtin.demo.diff import change_to_review

_IMITATION = "echo"
#: Parameters of the echo provider: it runs for about four seconds and reports its steps.
_ECHO_PARAMETERS = {"scenario": "steps", "amount": 6, "delayMs": 700}
_FOCUS = ("correctness", "security", "tests")
_ABOUT_IMITATION = (
    "echo only imitates an agent: it returns its prompt, and its price is invented. "
    "To use real reviewers, which may cost money, pass --with claude,codex"
)
_TIMEOUT_S = 900.0
_POLL_MS = 250
_SHOWN_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """One reviewer: a provider and what it has to review."""

    number: int
    provider: str
    focus: str
    prompt: str

    @property
    def name(self) -> str:
        """The name of the reviewer on the screen."""
        return f"reviewer {self.number} ({self.provider}, {self.focus})"


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    return run_async(lambda _scopes: Demo(options).show())


class Demo:
    """One run of the demo."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._json: bool = options.json
        self._out = sys.stderr if options.json else sys.stdout
        self._fresh = options.home is None
        home = tempfile.mkdtemp(prefix="llm-gateway-demo-") if self._fresh else options.home
        self._home = Path(home).absolute()
        make_private(self._home)
        self._environ = demo_environment(self._home, fresh=self._fresh)
        self._began = time.monotonic()
        self._running = False

    async def show(self) -> int:
        """Run the demo and remove what it created."""
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
                    self._say("stopping the reviewers")
                    await cancel_all(self._environ)
                if self._fresh:
                    await to_thread.run_sync(lambda: shutil.rmtree(self._home, ignore_errors=True))

    async def _show(self) -> int:
        providers = _reviewers(self._options)
        title, diff = await to_thread.run_sync(change_to_review)
        reviewers = [
            Reviewer(number=number, provider=provider, focus=focus, prompt=_prompt(number, focus, title, diff))
            for number, (provider, focus) in enumerate(zip(providers, _FOCUS, strict=True), 1)
        ]
        self._say(f"Three reviewers review: {one_line(title, 90)} ({len(diff.encode()):,} bytes)", "bold")
        async with gateway_process(self._home, self._environ) as gateway:
            self._say(f"gateway {gateway.pid} runs")
            jobs = await self._submit(gateway, reviewers)
            await self._watch(gateway, jobs, until_all_work=True)
            agents = await self._agents(gateway)
            gateway.kill()
        self._say(f"gateway {gateway.pid} is killed (SIGKILL) while they work", "red")
        alive = sum(map(is_running, agents))
        self._say(f"{alive} of {len(agents)} agents continue without it")
        async with gateway_process(self._home, self._environ) as gateway:
            self._say(f"gateway {gateway.pid} runs, and has found the jobs")
            await self._watch(gateway, jobs, until_all_work=False)
            results = {job_id: await gateway.call("llm_job_result", jobId=job_id) for job_id in jobs}
        self._running = False
        return self._close(jobs, results, agents_survived=alive)

    async def _submit(self, gateway: DemoGateway, reviewers: list[Reviewer]) -> dict[str, Reviewer]:
        tools = await gateway.tools()
        for reviewer in reviewers:
            if f"{reviewer.provider}_request_async" not in tools:
                raise DemoError(
                    f"there is no provider {reviewer.provider} here, or its program is not installed. "
                    "`llm-gateway doctor` says what is missing and how to install it."
                )
        jobs: dict[str, Reviewer] = {}

        self._running = True
        for reviewer in reviewers:
            arguments = {"prompt": reviewer.prompt, "forceRefresh": True, "timeoutMs": round(_TIMEOUT_S * 1000)}
            if reviewer.provider == _IMITATION:
                arguments.update(_ECHO_PARAMETERS)
            accepted = await gateway.call(
                f"{reviewer.provider}_request_async", correlationId=f"demo-{reviewer.number}", **arguments
            )
            jobs[accepted["job"]["id"]] = reviewer
            self._say(f"{reviewer.name}: {accepted['job']['id']}")
        return jobs

    async def _watch(self, gateway: DemoGateway, jobs: Mapping[str, Reviewer], *, until_all_work: bool) -> None:
        """Show what the reviewers do, until all have ended. With `until_all_work`, until each has written output."""
        shown: dict[str, str] = {}
        with anyio.fail_after(_TIMEOUT_S + 60):
            while True:
                await gateway.call("llm_job_wait", jobIds=list(jobs), until="all", timeoutMs=_POLL_MS)
                statuses = {job_id: await gateway.call("llm_job_status", jobId=job_id) for job_id in jobs}
                for job_id, status in statuses.items():
                    doing = one_line(status.get("doing") or status["job"]["status"], 90)
                    if shown.get(job_id) != doing:
                        shown[job_id] = doing
                        self._say(f"{jobs[job_id].name}: {doing}", "dim")
                if all(_has_ended(status) for status in statuses.values()):
                    return
                if until_all_work and all(_has_ended(status) or _works(status) for status in statuses.values()):
                    return

    async def _agents(self, gateway: DemoGateway) -> list[int]:
        health = await gateway.call("llm_process_health")
        return [run["pid"] for run in health["running"] if run.get("pid")]

    def _close(self, jobs: Mapping[str, Reviewer], results: Mapping[str, dict[str, Any]], agents_survived: int) -> int:
        lost = [job_id for job_id, result in results.items() if not _is_complete(jobs[job_id], result)]
        if self._json:
            say_json({"ok": not lost, "agentsSurvived": agents_survived, "results": list(results.values())})
        for job_id, result in sorted(results.items(), key=lambda item: jobs[item[0]].number):
            self._show_answer(jobs[job_id], result)
        if any(reviewer.provider == _IMITATION for reviewer in jobs.values()):
            say("", self._out)
            say(styled(_ABOUT_IMITATION, "dim", self._out), self._out)
        took = time.monotonic() - self._began
        if lost:
            self._say(f"{len(lost)} of {len(jobs)} answers are missing or incomplete: {', '.join(lost)}", "red")
            return Exit.FAILED
        self._say(
            f"The gateway was killed while {len(jobs)} agents worked, and then started again: "
            f"{len(jobs)} of {len(jobs)} answers are complete. Nothing was lost. ({took:.1f} s)",
            "green",
        )
        return Exit.OK

    def _show_answer(self, reviewer: Reviewer, result: dict[str, Any]) -> None:
        say("", self._out)
        head = [
            styled(reviewer.name, "bold", self._out),
            styled_state(result["status"], self._out),
            *answer_facts(result),
        ]
        say(" · ".join([*head, result["jobId"]]), self._out)
        error = result.get("error")
        if error:
            say(f"    {error['code']}: {one_line(error['message'])}", self._out)
        lines = result.get("text", "").splitlines()
        for line in lines[:_SHOWN_LINES]:
            say(f"    {one_line(line, 110)}", self._out)
        if len(lines) > _SHOWN_LINES:
            say(styled(f"    … and {len(lines) - _SHOWN_LINES:,} more lines", "dim", self._out), self._out)

    def _say(self, text: str, style: str | None = None) -> None:
        stamp = styled(f"{time.monotonic() - self._began:5.1f} s ", "dim", self._out)
        say(stamp + (styled(text, style, self._out) if style else text), self._out)


def _has_ended(status: Mapping[str, Any]) -> bool:
    return status["job"]["status"] not in ("queued", "running")


def _works(status: Mapping[str, Any]) -> bool:
    return status["stdoutBytes"] > 0 or bool(status["silenceIsNormal"])


def _reviewers(options: argparse.Namespace) -> list[str]:
    """Return the provider of each reviewer: the named ones, then echo. No real agent runs that was not named."""
    if options.providers and options.named:
        raise UsageError("use either --providers or --with, not both")
    named = [name.strip() for given in options.named for name in given.split(",")]
    if options.providers:
        named = [name.strip() for name in options.providers.split(",")]
        if len(named) != len(_FOCUS):
            raise UsageError(f"--providers needs {len(_FOCUS)} providers, separated by commas; it has {len(named)}")
    if len(named) > len(_FOCUS):
        raise UsageError(f"there are {len(_FOCUS)} reviewers, but {len(named)} providers are named")
    if not all(named):
        raise UsageError("the name of a provider is empty")
    return [*named, *[_IMITATION] * (len(_FOCUS) - len(named))]


def _cause(error: Exception) -> Exception:
    """Return the exception inside exception groups: task groups wrap their exceptions."""
    inner: tuple[Exception, ...] = getattr(error, "exceptions", ())
    if inner:
        return _cause(inner[0])
    if type(error).__module__.partition(".")[0] == "mcp":
        return DemoError(f"the connection to the gateway ended ({error}); see its messages above")
    return error


def _prompt(number: int, focus: str, title: str, diff: str) -> str:
    return (
        f"You are reviewer {number} of {len(_FOCUS)}. Review only the {focus} of this change, and do not change any file. "
        f"Answer with the three most important findings, or state that there are none.\n\n{title}\n\n{diff}"
    )


def _is_complete(reviewer: Reviewer, result: Mapping[str, Any]) -> bool:
    """Return whether an answer is complete. The answer of echo is compared; the failure of a real agent is an answer too."""
    if reviewer.provider == _IMITATION:
        return result["status"] == "completed" and result.get("text") == f"echo: {reviewer.prompt}"
    return result["status"] == "failed" or (result["status"] == "completed" and bool(result.get("text")))
