"""The whole kernel with the echo program and the SQLite store, in this process and in others."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

from llm_gateway.errors import ERRORS, GatewayError
from llm_gateway.gateway import Gateway
from llm_gateway.model.ids import JobId
from llm_gateway.model.operation import AskHuman, CallContext, Progress
from llm_gateway.opening import open_gateway
from tests.busy import pause

PATIENCE_S = 60.0
Answer = dict[str, Any]


class Caller:
    """Somebody who calls a gateway in this process, and is answered as on the wire."""

    def __init__(self, gateway: Gateway, home: Home, *, principal: str = "local") -> None:
        self.gateway = gateway
        self.home = home
        self.principal = principal
        self.human: AskHuman | None = None  #: who answers the questions of policies
        self.remote = False

    def other(self, principal: str) -> Caller:
        return Caller(self.gateway, self.home, principal=principal)

    async def call(self, name: str, *, progress: Progress | None = None, **arguments: Any) -> Answer:
        context = CallContext(principal=self.principal, progress=progress, ask=self.human, remote=self.remote)
        result = await self.gateway.call(name, arguments, context)
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def ask(self, prompt: str = "hello", **arguments: Any) -> Answer:
        return await self.call("echo_request", **self.home.asking(prompt, arguments))

    async def start(self, prompt: str = "hello", **arguments: Any) -> str:
        """Start a job; its id."""
        return str((await self.call("echo_request_async", **self.home.asking(prompt, arguments)))["job"]["id"])

    async def state(self, job_id: str) -> str:
        return str((await self.call("llm_job_status", jobId=job_id))["job"]["status"])

    async def wait(self, *job_ids: str, **arguments: Any) -> Answer:
        return await self.call("llm_job_wait", jobIds=list(job_ids), **arguments)

    async def result(self, job_id: str, **arguments: Any) -> Answer:
        return await self.call("llm_job_result", jobId=job_id, **arguments)

    async def cancel(self, job_id: str) -> Answer:
        return await self.call("llm_job_cancel", jobId=job_id)

    async def jobs(self, **arguments: Any) -> list[Answer]:
        return list((await self.call("llm_job_list", **arguments))["jobs"])

    async def begun(self, job_id: str) -> None:
        """Wait until a run has begun."""
        while not self.gateway.engine.view(JobId(job_id)).known:
            await pause()

    async def said(self, job_id: str, words: str = '"session"') -> None:
        """Wait until a run has printed something."""
        await self.begun(job_id)
        engine = self.gateway.engine
        async for _ in engine.changes(JobId(job_id)):
            if words.encode() in engine.read_output(JobId(job_id), "stdout", 0, 1 << 20):
                return
        pytest.fail(f"{job_id} ended without saying {words!r}")


class Peer(Caller):
    """A gateway of the same home in another process."""

    def __init__(self, process: anyio.abc.Process, home: Home) -> None:
        self.process = process
        self.home = home
        self.principal = "local"
        self.owner = ""
        self.pid = 0
        self._number = 0
        self._answers: dict[int, Answer] = {}
        self._news = anyio.Condition()

    async def listen(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        assert self.process.stdout
        rest = ""
        async for text in TextReceiveStream(self.process.stdout):
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                message = json.loads(line)
                if "owner" in message:
                    self.owner, self.pid = message["owner"], message["pid"]
                    task_status.started()
                    continue
                async with self._news:
                    self._answers[message["id"]] = message
                    self._news.notify_all()

    async def call(self, name: str, *, progress: Progress | None = None, **arguments: Any) -> Answer:
        assert self.process.stdin
        self._number += 1
        number = self._number
        call = {"id": number, "name": name, "arguments": arguments, "principal": self.principal}
        await self.process.stdin.send(json.dumps(call).encode() + b"\n")
        async with self._news:
            while number not in self._answers:
                await self._news.wait()
        told = self._answers.pop(number)
        if "error" in told:
            raise ERRORS[told["error"]["code"]](told["error"]["message"])
        return dict(told["result"])

    async def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        await self.process.wait()


class Home:
    """A gateway home in a temporary folder, its settings, and a directory to work in."""

    def __init__(self, folder: Path, python: tuple[str, ...] = (sys.executable,)) -> None:
        self.python = python  #: starts Python in a process of its own: the fixture of this name
        self.path = folder / "home"
        self.work = folder / "work"
        self.work.mkdir()
        self.path.mkdir(mode=0o700)
        self.env = {
            **os.environ,
            "LLM_GATEWAY_HOME": str(self.path),
            "LLM_GATEWAY_ECHO_HOME": str(folder / "echo"),
            "LLM_GATEWAY_LIMITS_RUNNING": "8",
            "LLM_GATEWAY_REUSE_BUDGET_S": "20",  # a busy machine must not make the files' state unknown
        }

    def set(self, **settings: object) -> Home:
        """Set keys of the kernel: `limits__running=1` is `[limits] running`."""
        for name, value in settings.items():
            self.env[f"LLM_GATEWAY_{name.replace('__', '_').upper()}"] = str(value)
        return self

    def write_config(self, text: str) -> Home:
        (self.path / "config.toml").write_text(text)
        return self

    def asking(self, prompt: str, arguments: Answer) -> Answer:
        asked = {"prompt": prompt, "workingDir": str(self.work), **arguments}
        return {name: value for name, value in asked.items() if value is not None}

    def folder(self, job_id: str) -> Path:
        return self.path / "jobs" / job_id

    def folders(self) -> list[str]:
        return sorted(path.name for path in (self.path / "jobs").glob("*"))

    @asynccontextmanager
    async def open(self, *, leave: bool = False) -> AsyncIterator[Caller]:
        """Open a gateway in this process; at the end its unfinished jobs are canceled, but for `leave`."""
        with anyio.fail_after(PATIENCE_S):
            async with open_gateway(self.env) as gateway:
                caller = Caller(gateway, self)
                try:
                    yield caller
                finally:
                    if not leave:
                        with anyio.CancelScope(shield=True):
                            await clear(gateway)

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        """Start a gateway in another process; its stdin is closed at the end, if nobody killed it before."""
        command = [*self.python, str(Path(__file__).with_name("another.py"))]
        with anyio.fail_after(PATIENCE_S):
            async with (
                await anyio.open_process(command, env=self.env, stderr=None, cwd=self.work) as process,
                anyio.create_task_group() as tasks,
            ):
                peer = Peer(process, self)
                try:
                    await tasks.start(peer.listen)
                    yield peer
                    assert process.stdin
                    with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                        await process.stdin.aclose()
                    await process.wait()
                finally:
                    with suppress(ProcessLookupError):
                        process.kill()
                    tasks.cancel_scope.cancel()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path / "gateway.db")) as database:
            return database.execute(query).fetchall()


async def clear(gateway: Gateway) -> None:
    """Cancel what has not ended."""
    for job in await gateway.store.unfinished():
        await gateway.jobs.cancel(job)
        await gateway.jobs.wait([job.id], until_all=True, timeout_s=20)


def redescribe(gateway: Gateway, name: str, **facts: Any) -> None:
    """Have a provider describe itself otherwise from now on."""
    known = dict(gateway.providers)
    known[name] = replace(known[name], **facts)
    gateway.providers = known
    gateway.host._providers = known  # a loaded plugin cannot be loaded again


async def refused(kind: type[GatewayError], call: Any) -> GatewayError:
    """The error that a call is refused with."""
    with pytest.raises(kind) as caught:
        await call
    return caught.value
