"""A run stays under its limits: by a cgroup where one can be had, else by what the system offers without."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from llm_gateway import EndReason
from llm_gateway_engine_local.engine import LocalEngine
from llm_gateway_engine_local.shim import cgroup
from llm_gateway_engine_local.shim.resources import Resources, end_group
from llm_gateway_engine_local.spool.folder import STATE, Folder

MB = 1 << 20
LIMITS = {"memory_bytes": 100.0 * MB, "processes": 50, "cpu": 1.5}
#: Takes memory piece by piece, and would take all there is.
EATS = "import time\nheld=[]\nfor _ in range(60):\n    held.append(bytearray(b'x')*(1<<23)); time.sleep(0.02)\ntime.sleep(60)\n"


def files(folder: Path, **content: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return folder


def test_a_group_is_created_in_the_nearest_place_that_enables_the_controllers(tmp_path: Path) -> None:
    far = files(tmp_path / "far", cgroup_controllers="cpu memory pids", cgroup_subtree_control="memory pids cpu")
    near = files(far / "near", cgroup_controllers="memory pids cpu", cgroup_subtree_control="")
    (near / "cgroup.subtree_control").unlink()
    (near / "cgroup.subtree_control").mkdir()  # as the kernel does in a group with processes, writing fails
    group = cgroup.make("job-1", ["memory", "cpu"], [str(near), str(far)])
    assert group is not None
    assert group.path == str(far / "llm-gateway-job-1")
    assert cgroup.make("job-1", ["memory"], [str(far)]) is None, "no run is put into another's group"
    assert cgroup.make("job-2", ["io"], [str(near), str(far)]) is None


def test_controllers_are_enabled_where_that_is_allowed(tmp_path: Path) -> None:
    place = files(tmp_path, cgroup_controllers="cpu memory pids", cgroup_subtree_control="")
    assert cgroup.make("job-1", ["pids", "memory"], [str(place)]) is not None
    assert (place / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_every_limit_becomes_a_file_of_the_group(tmp_path: Path) -> None:
    place = files(tmp_path, cgroup_subtree_control="cpu memory pids")
    resources = Resources("job-1", LIMITS, [str(place)])
    group = place / "llm-gateway-job-1"
    written = {path.name: path.read_text() for path in group.iterdir()}
    assert written == {
        "memory.max": str(100 * MB),
        "memory.oom.group": "1",
        "memory.swap.max": "0",
        "pids.max": "50",
        "cpu.max": "150000 100000",
    }
    assert not resources.killed_for_memory()
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\noom_group_kill 1\n")
    assert resources.killed_for_memory()
    assert resources.exceeded_limit == "it needed more than 100 MB of memory ([limits] memory_mb)"


def test_without_limits_nothing_is_measured_or_created(tmp_path: Path) -> None:
    resources = Resources("job-1", {"memory_bytes": None, "timeout_s": 3.0}, [str(tmp_path / "missing")])
    assert (resources.group, resources.exceeded(), resources.killed_for_memory()) == (None, False, False)
    assert resources.next_measure == float("inf")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sys/fs/cgroup/llm-gateway-job-2",
        "llm-gateway-job-1",
        "/tmp/llm-gateway-job-1",
        7,
        None,
        "/a/../llm-gateway-job-1",
    ],
)
def test_a_forged_name_of_a_group_ends_nothing(path: object) -> None:
    assert cgroup.of_job(path, "job-1") is None


@pytest.fixture
def real_group() -> Iterator[cgroup.Cgroup]:
    """A group of this system's own, without controllers: to end what is in it, none is needed."""
    group = cgroup.make("job-of-a-test", [])
    if group is None:
        pytest.skip("this system lets us make no cgroup")
    yield group
    group.kill()
    group.remove()
    assert not os.path.exists(group.path)


@pytest.mark.linux
def test_a_group_ends_every_process_also_without_its_session_parent_and_environment(real_group: cgroup.Cgroup) -> None:
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        real_group.enter()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(writer, str(os.getpid()).encode())
                os.execve("/bin/sleep", ["sleep", "300"], {})
        os._exit(0)
    os.waitpid(child, 0)
    hidden = int(os.read(reader, 20))
    os.close(reader)
    os.close(writer)
    end_group(real_group.path, "job-of-a-test")
    with suppress(ChildProcessError):  # it is nobody's child here
        os.waitpid(hidden, 0)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{hidden}").exists():
        assert time.monotonic() < deadline
    assert not os.path.exists(real_group.path)


def test_a_run_over_its_memory_limit_is_ended_and_says_so(
    play: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    spec = make_spec(py=EATS, memory_bytes=96 * MB)

    async def scene(engine: LocalEngine) -> Any:
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    end = play(scene)
    if end.reason is EndReason.EXITED:  # RLIMIT_DATA met it first: its own words tell
        assert end.exit_code == 1
    else:
        assert (end.reason, "96 MB of memory" in end.detail) == (EndReason.RESOURCE_LIMIT, True)


def test_the_memory_of_all_processes_together_counts(play: Callable[..., Any], make_spec: Callable[..., Any]) -> None:
    """None of them alone is over it."""
    spec = make_spec(
        py="import os,time\nfor _ in range(4): os.fork()\nheld=bytearray(b'x')*(10<<20)\ntime.sleep(60)",
        memory_bytes=80 * MB,
    )

    async def scene(engine: LocalEngine) -> Any:
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    end = play(scene)
    assert (end.reason, "80 MB of memory" in end.detail) == (EndReason.RESOURCE_LIMIT, True)


def test_a_run_with_too_many_processes_is_ended_or_gets_no_more(
    play: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    spec = make_spec(
        py="import os,time\nfor _ in range(60):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)", processes=40
    )

    async def scene(engine: LocalEngine) -> Any:
        await engine.launch(spec)
        return await engine.wait(spec.job_id)

    end = play(scene)
    if end.reason is EndReason.EXITED:  # the group refused to fork
        assert end.exit_code == 1
    else:
        assert (end.reason, "40 processes" in end.detail) == (EndReason.RESOURCE_LIMIT, True)


def test_a_run_within_its_limits_is_not_ended(play: Callable[..., Any], make_spec: Callable[..., Any]) -> None:
    py = "import os; print(len(os.sched_getaffinity(0)))"
    spec = make_spec(py=py, memory_bytes=512 * MB, processes=100, cpu=1.0)

    async def scene(engine: LocalEngine) -> Any:
        await engine.launch(spec)
        end = await engine.wait(spec.job_id)
        return end, engine.read_output(spec.job_id, "stdout", 0, 100)

    end, said = play(scene)
    assert (end.reason, end.exit_code, end.detail) == (EndReason.EXITED, 0, "")
    assert said.strip()


def test_a_run_whose_shim_is_killed_ends_with_its_group(
    home: Path, play: Callable[..., Any], make_spec: Callable[..., Any], saw: Callable[..., Any]
) -> None:
    spec = make_spec(sh="echo up; sleep 300", memory_bytes=512 * MB)

    async def scene(engine: LocalEngine) -> Any:
        await engine.launch(spec)
        await saw(engine, spec.job_id, b"up")
        with Folder(str(home / "jobs" / spec.job_id)) as folder:
            state = folder.read_json(STATE)
        assert state
        os.kill(state["shim"]["pid"], signal.SIGKILL)
        return state, await engine.wait(spec.job_id)

    state, end = play(scene)
    assert end.reason is EndReason.VANISHED
    assert "cgroup" not in state or not os.path.exists(state["cgroup"])
