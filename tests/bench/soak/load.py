"""A constant load: so many jobs a second, of all providers and all kinds, through one client."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench.soak.recordings import EXECUTABLES
from tests.bench.world import Client

PROVIDERS = tuple(EXECUTABLES)
WIDTH = 48
CLEAR_EVERY = 100  # jobs
PREFIX = "You are one of several reviewers. Be brief, and name the file and the line. " * 100
READS: tuple[Callable[[Client], Any], ...] = (
    lambda client: client.ask("resources/read", uri="cache-state://global"),
    lambda client: client.ask("resources/read", uri="metrics://performance"),
    lambda client: client.call("llm_job_list", {"limit": 20}),
    lambda client: client.call("session_list", {}),
    lambda client: client.call("llm_process_health", {}),
    lambda client: client.call("approval_list", {}),
    lambda client: client.ask("tools/list"),
)


class Unexpected(Exception):
    """An answer that should not have been given."""


class Load:
    """What is asked, and how long the answers took."""

    def __init__(self, client: Client, plain: str, tree: str) -> None:
        self.client, self.plain, self.tree = client, plain, tree
        self.failures: list[str] = []
        self.done: Counter[str] = Counter()
        self.first_job = ""
        self._took: dict[str, list[float]] = {"sync": [], "submit": [], "status": []}
        self._guard = threading.Lock()
        self._sessions = threading.Lock()

    def taken(self) -> dict[str, list[float]]:
        """Milliseconds since it was last asked: of waiting requests on top of their program's own time, of submits, of looks."""
        with self._guard:
            found, self._took = self._took, {name: [] for name in self._took}
        return found

    def run(self, rate: float, ended: threading.Event) -> None:
        """Begin a turn at each tick until it is told to end; then wait for those that are under way."""
        began = time.monotonic()
        with ThreadPoolExecutor(WIDTH) as callers:
            for number in itertools.count():
                if ended.wait(max(0.0, began + number / rate - time.monotonic())):
                    break
                callers.submit(self._turn, number)

    def _turn(self, number: int) -> None:
        kind = KINDS[number % len(KINDS)]
        provider = PROVIDERS[(number + number // len(KINDS)) % len(PROVIDERS)]
        try:
            kind(self, provider, f"soak:{kind.__name__.strip('_')}:{number}", number)
            if number % 5 == 0:
                READS[number // 5 % len(READS)](self.client)
            if number % CLEAR_EVERY == CLEAR_EVERY - 1:
                with self._sessions:  # not between two turns of a conversation
                    self.client.call("session_clear_all", {})
        except Exception as error:  # whatever it was: it is counted, and the load goes on
            with self._guard:
                self.failures.append(f"{provider} {kind.__name__} {number}: {type(error).__name__}: {error}"[:500])
        with self._guard:
            self.done[f"{provider} {kind.__name__.strip('_')}"] += 1

    # ---------------------------------------------------------------------------------------------------------- calls

    def sync(self, provider: str, prompt: str, number: int, **more: Any) -> dict[str, Any]:
        """Ask and wait."""
        arguments = {"workingDir": self.plain, **({} if "promptParts" in more else {"prompt": prompt}), **more}
        answer, took = self.client.call(f"{provider}_request", arguments)
        self._check(answer, number)
        if not answer.get("deduplicated"):
            self._note("sync", took - answer["durationMs"] / 1000)
        return answer

    def submit(self, provider: str, prompt: str) -> str:
        """Ask, and get a job."""
        answer, took = self.client.call(f"{provider}_request_async", {"prompt": prompt, "workingDir": self.plain})
        self._note("submit", took)
        job: str = answer["job"]["id"]
        self.first_job = self.first_job or job
        return job

    def status(self, job: str) -> dict[str, Any]:
        """Look."""
        answer, took = self.client.call("llm_job_status", {"jobId": job})
        self._note("status", took)
        return answer

    def wait(self, job: str) -> None:
        """Until it has ended."""
        answer, _ = self.client.call("llm_job_wait", {"jobIds": [job], "timeoutMs": 50_000})
        if answer["pending"]:
            raise Unexpected(f"{job} does not end")

    def result(self, job: str, number: int) -> dict[str, Any]:
        """Of a job that is over."""
        answer, _ = self.client.call("llm_job_result", {"jobId": job})
        self._check(answer, number)
        return answer

    def _note(self, name: str, took_s: float) -> None:
        with self._guard:
            self._took[name].append(took_s * 1000)

    @staticmethod
    def _check(answer: dict[str, Any], number: int) -> None:
        if answer["status"] != "completed" or f"answer {number}" not in answer["text"]:
            raise Unexpected({key: answer.get(key) for key in ("status", "text", "error")})

    # ---------------------------------------------------------------------------------------------------------- kinds

    def _plain(self, provider: str, prompt: str, number: int) -> None:
        self.sync(provider, prompt, number)

    def _later(self, provider: str, prompt: str, number: int) -> None:
        job = self.submit(provider, prompt)
        self.status(job)
        self.wait(job)
        self.status(job)
        self.result(job, number)

    def _slow(self, provider: str, prompt: str, number: int) -> None:
        self._later(provider, prompt, number)

    def _large(self, provider: str, prompt: str, number: int) -> None:
        job = self.submit(provider, prompt)
        self.wait(job)
        if len(self.result(job, number)["text"]) < 200_000:
            raise Unexpected("the large answer was cut")
        page, _ = self.client.call("llm_job_result", {"jobId": job, "raw": "stdout", "offset": 100_000})
        if page["page"]["size"] < 200_000:
            raise Unexpected("the large output was cut")

    def _hang(self, provider: str, prompt: str, number: int) -> None:
        job = self.submit(provider, prompt)
        self.status(job)
        self.client.call("llm_job_cancel", {"jobId": job})
        self.wait(job)
        if (state := self.status(job)["job"]["status"]) != "canceled":
            raise Unexpected(state)

    def _rate(self, provider: str, prompt: str, number: int) -> None:
        result = self.client.ask(
            "tools/call", name=f"{provider}_request", arguments={"prompt": prompt, "workingDir": self.plain}
        )
        if (error := result["structuredContent"].get("error", {})).get("code") != "quota_exhausted":
            raise Unexpected(error or result)

    def _again(self, provider: str, prompt: str, number: int) -> None:
        first = self.sync(provider, prompt, number)
        second = self.sync(provider, prompt, number)
        if not second.get("deduplicated") or first["jobId"] != second["jobId"]:
            raise Unexpected("the same request was run twice")

    def _session(self, provider: str, prompt: str, number: int) -> None:
        with self._sessions:
            first = self.sync(provider, prompt, number)
            second = self.sync(provider, prompt, number, sessionId=first["gatewaySessionId"])
        if first["sessionId"] != second["sessionId"]:
            raise Unexpected("another conversation")

    def _parts(self, provider: str, prompt: str, number: int) -> None:
        self.sync(provider, "", number, promptParts={"system": PREFIX, "task": prompt})

    def _managed(self, provider: str, prompt: str, number: int) -> None:
        self.sync(provider, prompt, number, approvalStrategy="mcp_managed")

    def _tree(self, provider: str, prompt: str, number: int) -> None:
        self.sync(provider, prompt, number, workingDir=self.tree)


_P, _L = Load._plain, Load._later
KINDS: tuple[Callable[[Load, str, str, int], None], ...] = (
    *(Load._rate, _P, Load._slow, _L, Load._large, _P, Load._hang, _L, Load._again, _P),
    *(Load._session, _L, Load._slow, _P, Load._parts, _L, Load._managed, _P, Load._tree, _L),
)
