"""Both implementations of `process` answer alike. The rest of the portable one is tested by the whole suite: `.ci/run portable`."""

from __future__ import annotations

import fcntl
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llm_gateway_engine_local.peers import notifier
from llm_gateway_engine_local.process import linux, portable


def public(module):
    functions = inspect.getmembers(module, inspect.isfunction)
    return {
        name: inspect.signature(function)
        for name, function in functions
        if function.__module__ == module.__name__ and not name.startswith("_")
    }


@pytest.fixture
def child(tmp_path):
    """A process with a variable, a child of its own and an open file."""
    code = (
        "import subprocess, sys\n"
        "file = open(sys.argv[1])\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'x = bytearray(20_000_000); print(flush=True); input()'],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "inner.stdout.readline(); print('ready', flush=True); sys.stdin.read()\n"
        "inner.communicate(b'x')\n"
    )
    file = tmp_path / "open"
    file.touch()
    argv = [sys.executable, "-c", code, str(file)]
    with subprocess.Popen(
        argv, env={"LLM_GATEWAY_JOB": "job-1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process.pid, file
        process.communicate(timeout=30)


def test_both_implementations_have_the_same_functions():
    assert public(linux) == public(portable)


@pytest.mark.parametrize("system", [linux, portable], ids=["linux", "portable"])
def test_both_implementations_describe_a_process_in_the_same_way(system, child):
    pid, file = child
    parent, state, start = system.stat_of(pid)
    assert (parent, state in "RSD", bool(start)) == (os.getpid(), True, True)
    assert system.stat_of(pid) == (parent, state, start) or system.stat_of(pid)[2] == start
    assert system.stat_of(1 << 30) is None
    assert pid in system.pids()
    assert system.has_variable(pid, "LLM_GATEWAY_JOB=job-1")
    assert not system.has_variable(pid, "LLM_GATEWAY_JOB=job-")
    assert not system.has_variable(1 << 30, "LLM_GATEWAY_JOB=job-1")
    assert system.has_open(pid, file.stat())
    assert not system.has_open(pid, Path(__file__).stat())
    assert system.is_shim(pid, (os.fsencode(file.name),))
    assert not system.is_shim(pid, (b"fork_server.py",))
    memory, seconds = system.usage_below(pid)
    assert memory > 20_000_000
    assert seconds >= 0
    assert system.private_bytes(pid) > 0
    assert system.private_bytes(1 << 30) == 0


def test_a_short_folder_of_notifiers_must_be_private(monkeypatch, tmp_path):
    """Where the home's path is too long, another user could have created the folder in its place."""
    monkeypatch.setattr(notifier, "PORTABLE", True)
    home = tmp_path / ("long" * 30)
    home.mkdir()
    folder = Path(notifier.folder_of(str(home)))
    try:
        assert len(os.fsencode(folder)) < 60
        folder.chmod(0o755)
        with pytest.raises(PermissionError):
            notifier.folder_of(str(home))
    finally:
        folder.rmdir()


def test_what_is_written_durably_is_synced_through_the_cache_of_the_disk_on_macos(monkeypatch, tmp_path):
    from llm_gateway import files

    commands = []
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(files.fcntl, "fcntl", lambda _, command: commands.append(command))
    files.write_atomic(tmp_path / "x", b"data", durable=True)
    assert commands == [51, 51]  # the file and its directory
