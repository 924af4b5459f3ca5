"""The portable implementations use nothing that only Linux has, and Linux needs no package for what they use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

PORTABLE_RUNS = """
import os, signal, sys
from pathlib import Path
sys.path.append(sys.argv[1])
import anyio
import no_linux
no_linux.forbid()
no_linux.watch_starter()
from llm_gateway import EndStep, RunSpec
from llm_gateway_engine_local.engine import LocalEngine

home = Path(sys.argv[2])

def spec(name, script, **changes):
    values = {"argv": ("/bin/sh", "-c", script), "cwd": "/", "env": {"PATH": "/usr/bin:/bin"}, "timeout_s": 60.0, "output_bytes": 1 << 16}
    return RunSpec(job_id=name, **{**values, **changes})

async def output(engine, name):
    async for _ in engine.changes(name):
        if engine.read_output(name, "stdout", 0, 99):
            return

async def main():
    engine, other = LocalEngine(home), LocalEngine(home)
    await engine.aopen()
    await other.aopen()
    peers = engine.peers("one")
    peers.register()
    step = EndStep(signal=signal.SIGTERM, grace_s=0.1)
    with anyio.fail_after(60):
        await engine.launch(spec("job-exits", "echo hello; sleep 100 & exit 3"))
        print((await engine.wait("job-exits")).exit_code)
        await engine.launch(spec("job-canceled", "echo ready; sleep 100", end_steps=(step,), memory_bytes=1 << 30, processes=50))
        await output(other, "job-canceled")
        await other.cancel("job-canceled")
        print((await other.wait("job-canceled")).reason.value)
        await engine.launch(spec("job-vanished", "echo ready; sleep 100"))
        await output(engine, "job-vanished")
        view = engine.view("job-vanished")
        os.kill(view.shim_pid, signal.SIGKILL)
        print((await other.wait("job-vanished")).reason.value, view.rss_bytes > 0)
        print(await peers.receive() <= {"job-exits", "job-canceled"})
    engine.forget("job-exits")
    peers.unregister()
    await other.aclose()
    await engine.aclose()

anyio.run(main)
print(sorted({"llm_gateway_engine_local.process.linux", "psutil", "watchfiles"} & set(sys.modules)))
"""

LINUX_USES = """
import os, sys
sys.path.append(sys.argv[1])
import no_linux
from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_engine_local.process import system
from llm_gateway_engine_local.shim import cgroup
from llm_gateway_engine_local.watch import InotifyWatcher
print(sorted({"psutil", "watchfiles"} & set(sys.modules)))
no_linux.forbid()
for use in (system.become_reaper, InotifyWatcher, cgroup.places, system.pids, lambda: system.open_process(os.getpid()),
            lambda: system.stat_of(os.getpid())):
    try:
        use()
    except OSError:
        pass
"""


def run(script: str, tmp_path: Path, **variables: str) -> tuple[list[str], list[str]]:
    """The lines that a script printed, and the uses of Linux that were noted."""
    uses = tmp_path / "uses"
    env = {name: value for name, value in os.environ.items() if name != "LLM_GATEWAY_PORTABLE"}
    argv = [sys.executable, "-c", script, str(TESTS), str(tmp_path / "home")]
    done = subprocess.run(
        argv,
        env={**env, "NO_LINUX_USES": str(uses), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), uses.read_text().splitlines() if uses.exists() else []


def test_the_portable_implementations_use_nothing_that_only_linux_has(tmp_path):
    printed, uses = run(PORTABLE_RUNS, tmp_path, LLM_GATEWAY_PORTABLE="1")
    assert uses == []
    assert printed == ["3", "canceled", "vanished True", "True", "['psutil', 'watchfiles']"]


@pytest.mark.linux
def test_linux_needs_neither_psutil_nor_watchfiles_and_its_features_are_noticed(tmp_path):
    printed, uses = run(LINUX_USES, tmp_path)
    assert printed == ["[]"]
    for feature in ("prctl", "inotify_", "pidfd_open", "open /proc", "os.listdir /proc"):
        assert any(use.startswith(feature) for use in uses), (feature, uses)
