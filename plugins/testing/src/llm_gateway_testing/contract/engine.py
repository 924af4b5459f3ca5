"""The contract of an engine. Subclass it to test your engine. Its runs are small Python and shell programs on this machine.

class TestMine(EngineContract):
    def make_engine(self, home):
        return MyEngine(home)                # a second engine with the same home must see the same runs
"""

from __future__ import annotations

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from anyio import to_thread

from llm_gateway import RUN_FILES, EndReason, EndStep, Engine, JobId, RunEnd, RunSpec, new_job_id
from llm_gateway_testing.contract.engine_processes import gone, marked, wait_for_output

PATIENCE_S = 60.0
STUBBORN = "import signal,time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


@pytest.mark.anyio
class EngineContract(ABC):
    """What every engine must do."""

    #: True: the engine drops the middle of output above the limit, and the run goes on. False: the engine ends such a run.
    trims_output: ClassVar[bool] = True

    @abstractmethod
    def make_engine(self, home: Path) -> Engine:
        """Return an engine that is not open yet and whose runs belong to `home`."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        return home

    @pytest.fixture(autouse=True)
    def no_process_is_left(self, home: Path) -> Iterator[None]:
        """At the end of a test, no process may carry the id of a job of this home."""
        yield
        jobs = [path.name for path in (home / "jobs").glob("*")] if (home / "jobs").is_dir() else []
        for pid in marked(jobs):
            gone(pid, 10)
        left = marked(jobs)
        assert not left, f"processes of a run still exist after the test: {left}. The engine must end all descendants."

    @pytest.fixture
    async def engine(self, home: Path) -> AsyncIterator[Engine]:
        engine = self.make_engine(home)
        await engine.aopen()
        with anyio.fail_after(PATIENCE_S):
            yield engine
        await engine.aclose()

    def spec(self, *, py: str = "", sh: str = "", **changes: Any) -> RunSpec:
        """Return the specification of a run that executes Python code or a shell command."""
        argv = (sys.executable, "-I", "-S", "-u", "-c", py) if py else ("/bin/sh", "-c", sh)
        plain: dict[str, Any] = {
            "job_id": new_job_id(),
            "argv": argv,
            "cwd": "/",
            "env": {"PATH": "/usr/bin:/bin"},
            "timeout_s": 60.0,
            "output_bytes": 1 << 20,
            "end_steps": (EndStep(grace_s=0.5),),
        }
        return RunSpec(**{**plain, **changes})

    async def end_of(self, engine: Engine, spec: RunSpec) -> RunEnd:
        """Launch the run and wait until it has ended."""
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    async def output(self, engine: Engine, job_id: JobId, stream: str = "stdout") -> bytes:
        """Return what the run has written so far."""
        return await to_thread.run_sync(engine.read_output, job_id, stream, 0, 1 << 22)

    async def test_a_run_ends_with_its_code_and_its_output(self, engine: Engine) -> None:
        spec = self.spec(sh="echo out; echo err >&2; exit 3")
        end = await self.end_of(engine, spec)
        assert (end.reason, end.exit_code, end.signal) == (EndReason.EXITED, 3, None)
        assert [await self.output(engine, spec.job_id, name) for name in ("stdout", "stderr")] == [b"out\n", b"err\n"]
        assert (end.stdout_bytes, end.stderr_bytes, end.truncated) == (4, 4, False)
        assert end.ended_at.tzinfo is not None

    async def test_a_signal_from_outside_is_reported(self, engine: Engine) -> None:
        end = await self.end_of(engine, self.spec(sh="kill -KILL $$"))
        assert (end.reason, end.exit_code, end.signal) == (EndReason.EXITED, None, 9)

    async def test_lesson_80_stdin_is_the_given_bytes_or_empty(self, engine: Engine) -> None:
        code = "import sys; d = sys.stdin.buffer.read(); print(len(d), d[:3])"
        for stdin, seen in ((b"abc" * 1_000_000, b"3000000 b'abc'\n"), (None, b"0 b''\n"), (b"", b"0 b''\n")):
            spec = self.spec(py=code, stdin=stdin)
            await self.end_of(engine, spec)
            assert await self.output(engine, spec.job_id) == seen

    async def test_lesson_45_the_environment_is_the_given_one_plus_the_job_id(self, engine: Engine) -> None:
        spec = self.spec(py="import json,os; print(json.dumps(dict(os.environ)))", env={"ONE": "größer"})
        await self.end_of(engine, spec)
        seen = json.loads(await self.output(engine, spec.job_id))
        assert seen.pop("LLM_GATEWAY_JOB") == spec.job_id
        seen.pop("LC_CTYPE", None)  # Python sets it if it is missing
        assert seen == {"ONE": "größer"}, "the run must see `RunSpec.env` and LLM_GATEWAY_JOB, and nothing else"

    async def test_a_run_starts_in_the_given_directory(self, engine: Engine, tmp_path: Path) -> None:
        spec = self.spec(sh="pwd", cwd=str(tmp_path))
        await self.end_of(engine, spec)
        assert (await self.output(engine, spec.job_id)).decode().strip() == os.path.realpath(tmp_path)

    async def test_lesson_43_files_exist_during_the_run_and_are_removed_after_it(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        spec = self.spec(
            sh=f'cat "$1/conf.json" "$CONF" && echo made > "$1/answer" && echo "$1" > {tmp_path}/where',
            env={"PATH": "/usr/bin:/bin", "CONF": f"{RUN_FILES}/conf.json"},
            files={"conf.json": b"secret;"},
            artifacts=(f"{RUN_FILES}/answer", f"{RUN_FILES}/none"),
        )
        spec = self.spec(
            **{name: getattr(spec, name) for name in ("env", "files", "artifacts")},
            argv=(*spec.argv, "sh", RUN_FILES),
        )
        end = await self.end_of(engine, spec)
        assert (end.exit_code, await self.output(engine, spec.job_id)) == (0, b"secret;secret;")
        assert sorted(end.artifacts.values()) == [b"", b"made\n"]
        assert not os.path.exists((tmp_path / "where").read_text().strip())

    async def test_a_run_that_cannot_be_started_reports_why(self, engine: Engine) -> None:
        for changes in ({"argv": ("/no/such/program",)}, {"cwd": "/no/such/folder"}, {"argv": ("/etc/passwd",)}):
            end = await self.end_of(engine, self.spec(sh="true", **changes))
            assert end.reason is EndReason.SPAWN_FAILED
            assert end.detail, "set `RunEnd.detail` to the reason why the program could not be started"
            assert end.exit_code is None

    async def test_launching_a_job_twice_runs_it_once(self, engine: Engine, tmp_path: Path) -> None:
        spec = self.spec(sh=f"echo x >> {tmp_path}/runs")
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(engine.launch, spec)
        await engine.wait(spec.job_id)
        await engine.launch(spec)
        await engine.wait(spec.job_id)
        assert (tmp_path / "runs").read_text() == "x\n"

    async def test_a_job_that_was_never_launched_is_unknown(self, engine: Engine) -> None:
        unknown = new_job_id()
        with pytest.raises(LookupError):
            await engine.wait(unknown)
        assert not (await to_thread.run_sync(engine.view, unknown)).known
        assert await self.output(engine, unknown) == b""

    async def test_a_running_job_can_be_viewed_and_followed(self, engine: Engine) -> None:
        spec = self.spec(py="print('up'); import time; time.sleep(60)")
        await engine.launch(spec)
        assert await wait_for_output(engine, spec.job_id, b"up\n")
        view = await to_thread.run_sync(engine.view, spec.job_id)
        assert (view.known, view.alive) == (True, True)
        assert view.stdout_bytes == 3
        await engine.cancel(spec.job_id)
        await engine.wait(spec.job_id)
        view = await to_thread.run_sync(engine.view, spec.job_id)
        assert (view.known, view.alive) == (True, False)

    async def test_a_follower_of_a_run_receives_its_end(self, engine: Engine) -> None:
        spec = self.spec(sh="echo one; echo two")
        await engine.launch(spec)
        seen = [await self.output(engine, spec.job_id) async for _ in engine.changes(spec.job_id)]
        assert seen[-1] == b"one\ntwo\n"

    async def test_output_can_be_read_from_any_offset(self, engine: Engine) -> None:
        spec = self.spec(sh="printf 0123456789")
        await self.end_of(engine, spec)
        for offset, size, seen in ((0, 4, b"0123"), (8, 9, b"89"), (10, 5, b""), (99, 5, b"")):
            assert await to_thread.run_sync(engine.read_output, spec.job_id, "stdout", offset, size) == seen

    async def test_lesson_1_output_written_after_a_cancel_is_kept(self, engine: Engine) -> None:
        code = (
            "import signal,sys,time\n"
            "signal.signal(signal.SIGTERM, lambda *_: (print('last line'), sys.exit(0)))\nprint('up')\ntime.sleep(60)"
        )
        spec = self.spec(py=code, end_steps=(EndStep(grace_s=20.0),))
        await engine.launch(spec)
        await wait_for_output(engine, spec.job_id, b"up\n")
        await engine.cancel(spec.job_id)
        await engine.cancel(spec.job_id)
        end = await engine.wait(spec.job_id)
        assert end.reason is EndReason.CANCELED
        assert await self.output(engine, spec.job_id) == b"up\nlast line\n"

    async def test_lesson_36_a_run_that_ignores_signals_is_killed(self, engine: Engine) -> None:
        spec = self.spec(py=f"{STUBBORN}print('up'); time.sleep(60)")
        await engine.launch(spec)
        await wait_for_output(engine, spec.job_id, b"up\n")
        await engine.cancel(spec.job_id)
        assert (await engine.wait(spec.job_id)).reason is EndReason.CANCELED

    async def test_lesson_73_no_descendant_outlives_the_run(self, engine: Engine) -> None:
        inner = f"{STUBBORN}print('detached', flush=True); time.sleep(60)"
        code = f"import subprocess,sys\nsubprocess.Popen([sys.executable, '-c', {inner!r}], start_new_session=True)\n"
        spec = self.spec(py=f"{code}import time; time.sleep(60)")
        await engine.launch(spec)
        await wait_for_output(engine, spec.job_id, b"detached\n")
        await engine.cancel(spec.job_id)
        await engine.wait(spec.job_id)
        for pid in marked([spec.job_id]):
            await to_thread.run_sync(gone, pid, 10)
        assert not marked([spec.job_id])

    async def test_a_job_canceled_before_its_launch_never_starts(self, engine: Engine, tmp_path: Path) -> None:
        spec = self.spec(sh=f"touch {tmp_path}/started")
        await engine.cancel(spec.job_id)
        assert (await self.end_of(engine, spec)).reason is EndReason.CANCELED
        assert not (tmp_path / "started").exists()

    async def test_the_timeout_ends_a_run(self, engine: Engine) -> None:
        spec = self.spec(py="print('up'); import time; time.sleep(60)", timeout_s=0.3)
        assert (await self.end_of(engine, spec)).reason is EndReason.TIMEOUT

    async def test_lesson_14_silence_ends_a_run_only_with_an_idle_timeout(self, engine: Engine) -> None:
        silent = "import time; time.sleep(0.6)"
        limited = self.spec(py="print('up'); import time; time.sleep(60)", idle_timeout_s=0.3)
        assert (await self.end_of(engine, limited)).reason is EndReason.IDLE_TIMEOUT
        assert (await self.end_of(engine, self.spec(py=silent))).reason is EndReason.EXITED

    async def test_lesson_10_truncated_output_is_marked(self, engine: Engine) -> None:
        code = "import sys\nfor n in range(400_000): sys.stdout.write('%015d\\n' % n)"
        spec = self.spec(py=code, output_bytes=1 << 20)
        end = await self.end_of(engine, spec)
        assert end.truncated, "set `RunEnd.truncated` when output is dropped"
        first = await to_thread.run_sync(engine.read_output, spec.job_id, "stdout", 0, 16)
        assert first == b"000000000000000\n"
        if self.trims_output:
            assert (end.reason, end.exit_code, end.stdout_bytes) == (EndReason.EXITED, 0, 6_400_000)
            last = await to_thread.run_sync(engine.read_output, spec.job_id, "stdout", 6_400_000 - 16, 99)
            assert last == b"000000000399999\n"
        else:
            assert end.reason is EndReason.OUTPUT_OVERFLOW

    async def test_lesson_7_a_run_outlives_its_engine_and_the_next_engine_has_all_its_output(self, home: Path) -> None:
        pipe = home / "pipe"
        os.mkfifo(pipe)
        spec = self.spec(sh=f"echo before; cat {pipe}; exit 4")
        first, second = self.make_engine(home), self.make_engine(home)
        await first.aopen()
        await first.launch(spec)
        await wait_for_output(first, spec.job_id, b"before\n")
        await first.aclose()
        await second.aopen()
        with anyio.fail_after(PATIENCE_S):
            await to_thread.run_sync(pipe.write_text, "after\n")
            end = await second.wait(spec.job_id)
            assert (end.reason, end.exit_code) == (EndReason.EXITED, 4)
            assert await self.output(second, spec.job_id) == b"before\nafter\n"
        await second.aclose()

    async def test_lesson_9_another_engine_of_the_home_can_cancel(self, engine: Engine, home: Path) -> None:
        spec = self.spec(py="print('up'); import time; time.sleep(60)")
        await engine.launch(spec)
        await wait_for_output(engine, spec.job_id, b"up\n")
        other = self.make_engine(home)
        await other.aopen()
        await other.cancel(spec.job_id)
        assert (await other.wait(spec.job_id)).reason is EndReason.CANCELED
        assert (await engine.wait(spec.job_id)).reason is EndReason.CANCELED
        await other.aclose()

    async def test_lesson_82_no_file_holds_an_environment_value(self, engine: Engine, home: Path) -> None:
        spec = self.spec(sh="true", env={"PATH": "/usr/bin:/bin", "KEY": "canary-of-a-secret"})
        await self.end_of(engine, spec)
        for path in home.rglob("*"):
            if path.is_file():
                assert b"canary-of-a-secret" not in path.read_bytes(), f"{path} holds a value of `RunSpec.env`"
                assert path.stat().st_mode & 0o077 == 0, f"other users can open {path}: create it with mode 0600"

    async def test_lesson_81_a_gateway_is_alive_while_it_is_registered(self, engine: Engine, home: Path) -> None:
        ada, bob = engine.peers("ada"), self.make_engine(home).peers("bob")
        await to_thread.run_sync(ada.register)
        await to_thread.run_sync(bob.register)
        assert [bob.is_alive("ada"), ada.is_alive("bob"), ada.is_alive("eve")] == [True, True, False]
        await to_thread.run_sync(ada.unregister)
        assert not bob.is_alive("ada")
        await to_thread.run_sync(ada.unregister)
        await to_thread.run_sync(bob.unregister)

    async def test_a_notification_reaches_the_other_gateways(self, engine: Engine, home: Path) -> None:
        ada, bob = engine.peers("ada"), self.make_engine(home).peers("bob")
        for peer in (ada, bob):
            await to_thread.run_sync(peer.register)
        await to_thread.run_sync(ada.notify, JobId("job-1"))
        assert await bob.receive() & {"job-1", ""}
        await to_thread.run_sync(ada.unregister)
        await to_thread.run_sync(bob.notify, JobId("job-2"))  # no peer is left: this must not fail
        await to_thread.run_sync(bob.unregister)

    async def test_the_end_of_a_run_notifies_every_gateway(self, engine: Engine, home: Path) -> None:
        bob = self.make_engine(home).peers("bob")
        await to_thread.run_sync(bob.register)
        spec = self.spec(sh="true")
        await engine.launch(spec)
        while not await bob.receive() & {spec.job_id, ""}:
            continue
        assert (await engine.wait(spec.job_id)).exit_code == 0
        await to_thread.run_sync(bob.unregister)

    async def test_a_forgotten_job_is_removed(self, engine: Engine) -> None:
        spec = self.spec(sh="echo out")
        await self.end_of(engine, spec)
        await to_thread.run_sync(lambda: engine.forget(spec.job_id, output_only=True))
        assert await self.output(engine, spec.job_id) == b""
        assert (await engine.wait(spec.job_id)).exit_code == 0
        await to_thread.run_sync(engine.forget, spec.job_id)
        assert not (await to_thread.run_sync(engine.view, spec.job_id)).known

    async def test_closing_twice_does_no_harm(self, home: Path) -> None:
        engine = self.make_engine(home)
        await engine.aopen()
        await engine.aclose()
        await engine.aclose()
