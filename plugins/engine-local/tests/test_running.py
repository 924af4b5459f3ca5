"""The life of a run that nobody disturbs."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

import llm_gateway
import llm_gateway_engine_local
from llm_gateway.model.invocation import EndReason
from llm_gateway_engine_local.peers.notifier import Notifier
from llm_gateway_engine_local.plugin import gateway_open_engine


def test_a_run_is_reported_with_its_code_and_its_whole_output(play, make_spec, starter):
    spec = make_spec(sh="echo out; echo err >&2; exit 3")

    async def scene(engine):
        await engine.launch(spec)
        end = await engine.wait(spec.job_id)
        return end, [engine.read_output(spec.job_id, name, 0, 99) for name in ("stdout", "stderr")]

    end, output = play(scene, starter=starter)
    assert (end.reason, end.exit_code, end.signal) == (EndReason.EXITED, 3, None)
    assert output == [b"out\n", b"err\n"]
    assert (end.stdout_bytes, end.stderr_bytes) == (4, 4)
    assert end.started_at <= end.ended_at
    assert not end.truncated
    assert end.killed_descendants == 0


def test_the_signal_that_ended_an_agent_is_reported(play, make_spec):
    spec = make_spec(sh="kill -SEGV $$")

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    end = play(scene)
    assert (end.reason, end.exit_code, end.signal) == (EndReason.EXITED, None, 11)


def test_lesson_80_stdin_is_a_file_or_nothing_and_no_other_descriptor_is_inherited(play, make_spec, starter):
    code = "import os,sys; d=sys.stdin.buffer.read(); print(len(d), d[:3], sorted(os.listdir('/dev/fd'))[:-1])"
    fed = make_spec(py=code, stdin=b"abc" * 3_500_000)
    hungry = make_spec(py=code)

    async def scene(engine):
        texts = []
        for spec in (fed, hungry):
            await engine.launch(spec)
            await engine.wait(spec.job_id)
            texts.append(engine.read_output(spec.job_id, "stdout", 0, 999).decode())
        return texts

    texts = play(scene, starter=starter)
    assert texts == ["10500000 b'abc' ['0', '1', '2']\n", "0 b'' ['0', '1', '2']\n"]


def test_the_agent_gets_exactly_its_environment_a_session_of_its_own_and_default_signals(play, make_spec, tmp_path):
    code = (
        "import os,json,signal; i=[l for l in open('/proc/self/status') if l.startswith(('SigIgn','SigBlk'))];"
        "print(json.dumps([dict(os.environ), os.getsid(0)==os.getpid()==os.getpgrp(), os.getcwd(), i]))"
    )
    spec = make_spec(py=code, env={"ONE": "1", "LC_ALL": "C.UTF-8"})

    async def scene(engine):
        await engine.launch(spec)
        await engine.wait(spec.job_id)
        return json.loads(engine.read_output(spec.job_id, "stdout", 0, 9999))

    environ, leads, cwd, signals = play(scene)
    assert environ == {"ONE": "1", "LC_ALL": "C.UTF-8", "LLM_GATEWAY_JOB": spec.job_id}
    assert leads
    assert cwd == str(tmp_path)
    blocked, ignored = (int(line.split()[1], 16) for line in sorted(signals))
    assert blocked == 0
    # Python itself ignores SIGPIPE and SIGXFSZ; what `make` starts ignores 32 and 33, which the C library keeps to itself.
    assert ignored & ~((1 << 12) | (1 << 24) | (3 << 31)) == 0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"argv": ("/no/such/program",)}, "/no/such/program"),
        ({"argv": ("/etc/passwd",)}, "Permission denied"),
        ({"cwd": "/no/such/folder"}, "/no/such/folder"),
        ({"argv": ("/bin/true", "x" * 4_000_000)}, "Argument list too long"),
        ({"argv": ("/bin/true", "a\0b")}, "null byte"),
        ({"env": {"A": "\0"}}, "null byte"),
    ],
    ids=["missing", "not executable", "no folder", "too long", "NUL in argv", "NUL in env"],
)
def test_the_end_of_an_agent_that_cannot_be_started_says_why(play, make_spec, changes, word):
    spec = make_spec(sh="", **changes)

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    end = play(scene)
    assert end.reason is EndReason.SPAWN_FAILED
    assert word in end.detail
    assert end.exit_code is None


def test_lesson_43_temporary_files_exist_during_the_run_and_are_deleted_after_it(play, make_spec, home, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep me")
    spec = make_spec(
        sh=f'cat "$CONFIG" "$1"; stat -c %a "$CONFIG"; ln -s {precious} "$2/link"; mkdir -p "$2/d/e"; touch "$2/d/e/f";'
        'echo made > "$2/answer"',
        env={"PATH": "/usr/bin:/bin", "CONFIG": "{run_files}/config.json"},
        files={"config.json": b"first ", "deep/er/file": b"second "},
        artifacts=("{run_files}/answer", "{run_files}/none", "{run_files}/link/file", "outside", "{run_files}/d"),
    )
    spec = make_spec(
        **{
            **{name: getattr(spec, name) for name in ("env", "files", "artifacts")},
            "argv": (*spec.argv, "sh", "{run_files}/deep/er/file", "{run_files}"),
        }
    )
    (tmp_path / "outside").write_text("from the working directory")

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id), engine.read_output(spec.job_id, "stdout", 0, 99)

    end, output = play(scene)
    assert output == b"first second 600\n"
    assert end.artifacts == {
        "{run_files}/answer": b"made\n",
        "{run_files}/none": b"",
        "{run_files}/link/file": b"",
        "outside": b"from the working directory",
        "{run_files}/d": b"",
    }
    assert not (home / "jobs" / spec.job_id / "files").exists()
    assert (precious / "file").read_text() == "keep me"


def test_an_artifact_with_a_star_is_every_file_of_that_folder_in_order(play, make_spec, tmp_path):
    (tmp_path / "precious").write_text("not of this run")
    spec = make_spec(
        sh=f'cd "$OUT"; mkdir parts; ln -s {tmp_path}/precious parts/1; echo b > parts/20; echo a > parts/10; mkdir parts/15',
        env={"PATH": "/usr/bin:/bin", "OUT": "{run_files}"},
        artifacts=("{run_files}/parts/*", "{run_files}/none/*"),
    )

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    assert play(scene).artifacts == {"{run_files}/parts/*": b"a\nb\n", "{run_files}/none/*": b""}


def test_lesson_43_names_that_would_leave_the_folder_are_refused(play, make_spec, home):
    async def scene(engine):
        for name in ("../x", "/etc/x", "a/../../x", ""):
            with pytest.raises(ValueError, match="not the name of a file"):
                await engine.launch(make_spec(sh="true", files={name: b""}))
        for job_id in ("../x", "", ".hidden", "a/b"):
            with pytest.raises(ValueError, match="not a job id"):
                await engine.launch(make_spec(sh="true", job_id=job_id))

    play(scene)
    assert not (home / "jobs").exists()


def test_a_symlink_in_the_place_of_a_job_folder_is_refused(play, make_spec, home, tmp_path):
    spec = make_spec(sh="true")
    (home / "jobs").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (home / "jobs" / spec.job_id).symlink_to(tmp_path / "elsewhere")

    async def scene(engine):
        with pytest.raises(OSError, match=r"directory|symbolic"):
            await engine.launch(spec)

    play(scene)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_lesson_82_an_environment_value_is_in_no_file_and_nothing_is_readable_by_others(play, make_spec, home):
    canary = b"canary-9f3a7c"
    spec = make_spec(
        sh='test -n "$KEY" && test -s "$1"',
        env={"PATH": "/bin", "KEY": canary.decode()},
        files={"mcp.json": canary},
        stdin=b"words",
    )
    spec = make_spec(argv=(*spec.argv, "sh", "{run_files}/mcp.json"), env=spec.env, files=spec.files, stdin=spec.stdin)

    async def scene(engine):
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    assert play(scene).exit_code == 0
    entries = list(home.rglob("*"))
    assert {path.name for path in entries if path.is_file()} >= {
        "spec.json",
        "stdin",
        "stdout",
        "state.json",
        "exit.json",
    }
    assert [path for path in entries if path.is_file() and canary in path.read_bytes()] == []
    assert [path for path in entries if stat.S_IMODE(path.lstat().st_mode) & 0o077] == []
    assert "KEY" in (home / "jobs" / spec.job_id / "spec.json").read_text()


def test_launching_twice_from_two_engines_at_once_runs_once(play, make_spec, home, tmp_path):
    from llm_gateway_engine_local.engine import LocalEngine

    specs = [make_spec(sh="echo ran >> count-$LLM_GATEWAY_JOB") for _ in range(10)]

    async def scene(engine):
        others = [LocalEngine(home) for _ in range(3)]
        for other in others:
            await other.aopen()

        async def run(one, spec):
            await one.launch(spec)
            assert (await one.wait(spec.job_id)).exit_code == 0

        async with anyio.create_task_group() as group:
            for spec in specs:
                for one in (engine, *others):
                    group.start_soon(run, one, spec)
        await engine.launch(specs[0])  # long over
        for other in others:
            await other.aclose()

    play(scene)
    assert [(tmp_path / f"count-{spec.job_id}").read_text() for spec in specs] == ["ran\n"] * 10


def test_every_waiter_gets_the_same_end(play, make_spec, saw):
    spec = make_spec(sh="echo ready; read line < fifo")

    async def scene(engine):
        os.mkfifo(Path(spec.cwd) / "fifo")
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        ends = []

        async def wait():
            ends.append(await engine.wait(spec.job_id))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(wait)
            with anyio.move_on_after(0.05):  # one who gives up disturbs nobody
                await engine.wait(spec.job_id)
            await anyio.to_thread.run_sync(lambda: (Path(spec.cwd) / "fifo").write_text("go\n"))
        return ends

    ends = play(scene)
    assert len(ends) == 5
    assert len(set(map(repr, ends))) == 1


def test_nothing_is_known_of_a_run_that_was_never_launched(play, make_spec):
    async def scene(engine):
        with pytest.raises(LookupError):
            await engine.wait("job-unknown")
        assert not engine.view("job-unknown").known
        assert engine.read_output("job-unknown", "stdout", 0, 9) == b""
        return [None async for _ in engine.changes("job-unknown")]

    assert len(play(scene)) == 2


def test_a_view_reports_processes_output_and_usage(play, make_spec, saw):
    spec = make_spec(py="b=bytearray(30_000_000); print('ready'); import signal; signal.pause()")

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        during = engine.view(spec.job_id)
        await engine.cancel(spec.job_id)
        await engine.wait(spec.job_id)
        return during, engine.view(spec.job_id)

    during, after = play(scene)
    assert during.known
    assert during.alive
    assert during.pid != during.shim_pid
    assert during.stdout_bytes == 6
    assert during.last_output_at >= during.started_at - timedelta(seconds=1)  # the file system's clock is a tick behind
    assert during.rss_bytes > 30_000_000
    assert during.cpu_s >= 0
    assert after.known
    assert not after.alive
    assert after.rss_bytes is None


def test_forgetting_deletes_the_output_or_the_whole_folder_but_no_running_job(play, make_spec, saw, home):
    spec = make_spec(sh="echo ready; exec sleep 60", stdin=b"x")
    folder = home / "jobs" / spec.job_id

    async def scene(engine):
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"ready")
        with pytest.raises(RuntimeError, match="still running"):
            engine.forget(spec.job_id)
        await engine.cancel(spec.job_id)
        await engine.wait(spec.job_id)
        (folder / "request.json").write_text("{}")
        engine.forget(spec.job_id, output_only=True)
        left = {path.name for path in folder.iterdir()}
        assert (await engine.wait(spec.job_id)).reason is EndReason.CANCELED
        engine.forget(spec.job_id)
        engine.forget(spec.job_id)
        return left

    assert play(scene) == {"spec.json", "state.json", "exit.json", "lock", "cancel", "request.json"}
    assert not folder.exists()


def test_the_plugin_opens_only_its_own_urls(home):
    assert gateway_open_engine("local:", str(home)) is not None
    assert gateway_open_engine("fleet://x", str(home)) is None


def test_a_shim_sends_a_notification_when_its_run_is_over(play, make_spec, home):
    receiver, spec = Notifier(home, "one"), make_spec(sh="true")
    receiver.open()

    async def scene(engine):
        await engine.launch(spec)
        received = await receiver.receive()
        assert (await engine.wait(spec.job_id)).exit_code == 0
        return received

    try:
        assert play(scene) == {spec.job_id}
    finally:
        receiver.close()


@pytest.mark.linux
def test_a_shim_loads_nothing_of_the_kernel_but_how_files_are_opened_and_locked():
    code = (
        "import sys\nsys.path += sys.argv[1:]\nimport llm_gateway_engine_local.shim.fork_server, llm_gateway_engine_local.shim.shim\n"
        "print(*sys.modules)"
    )
    folders = [str(Path(package.__file__).parents[1]) for package in (llm_gateway, llm_gateway_engine_local)]
    argv = [sys.executable, "-I", "-S", "-c", code, *folders]
    loaded = set(subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.split())
    of_kernel = {name for name in loaded if name.partition(".")[0] == "llm_gateway"}
    assert of_kernel == {"llm_gateway", "llm_gateway.files", "llm_gateway.leases"}
    assert not loaded & {"typing", "dataclasses", "subprocess", "anyio", "pydantic", "pluggy", "psutil", "watchfiles"}
