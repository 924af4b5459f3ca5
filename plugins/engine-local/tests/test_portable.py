"""Both implementations of `process` answer alike. The rest of the portable one is tested by the whole suite: `.ci/run portable`."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import inspect
import os
import socket
import stat
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from llm_gateway.files import write_atomic
from llm_gateway_engine_local.peers import sockets
from llm_gateway_engine_local.peers.notifier import Notifier, notify
from llm_gateway_engine_local.process import linux, portable
from llm_gateway_engine_local.process.holes import punch
from llm_gateway_engine_local.spool import removing

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize("system", [pytest.param(linux, marks=pytest.mark.linux), portable], ids=["linux", "portable"])
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
    assert system.has_open(pid, str(file), file.stat())
    assert not system.has_open(pid, __file__, Path(__file__).stat())
    assert system.is_shim(pid, (os.fsencode(file.name),))
    assert not system.is_shim(pid, (b"fork_server.py",))
    memory, seconds = system.usage_below(pid)
    assert memory > 20_000_000
    assert seconds >= 0
    assert system.private_bytes(pid) > 0
    assert system.private_bytes(1 << 30) == 0


@pytest.fixture
def long_home(monkeypatch, tmp_path):
    """A home whose path is too long for a socket, on a system without /proc."""
    monkeypatch.setattr(sockets, "PORTABLE", True)
    home = tmp_path / ("long" * 30)
    home.mkdir()
    return home


def test_a_notification_creates_no_folder_outside_of_the_home(long_home):
    folder = Path(sockets.folder_of(str(long_home)))
    assert len(os.fsencode(folder)) < 60
    notify(long_home, b"job-a")
    assert not folder.exists()


@pytest.mark.parametrize("left", [(), ("ended",)], ids=["alone", "beside one that was killed"])
def test_the_last_receiver_removes_the_folder_outside_of_the_home(long_home, left):
    folder = Path(sockets.folder_of(str(long_home)))
    first, second = Notifier(long_home, "one"), Notifier(long_home, "two")
    for receiver in (first, second):
        receiver.open()
    for name in left:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as killed:
            killed.bind(str(folder / name))
    first.close()
    notify(long_home, b"job-a")
    assert asyncio.run(second.receive()) == {"job-a"}
    second.close()
    assert not folder.exists()


def test_a_folder_outside_of_the_home_must_be_private(long_home):
    """Another user could have created it."""
    folder = Path(sockets.make_folder(str(long_home)))
    try:
        folder.chmod(0o755)
        with pytest.raises(PermissionError):
            sockets.folder_of(str(long_home))
        receiver = Notifier(long_home, "one")
        receiver.open()
        assert list(folder.iterdir()) == []
        notify(long_home, b"job-a")
        receiver.close()
    finally:
        folder.rmdir()
        with suppress(OSError):  # another home uses it
            folder.parent.rmdir()


@pytest.fixture
def macos(monkeypatch):
    """The names of macOS, and the commands that it gets."""
    commands = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda _, command, argument=0: commands.append((command, argument)))
    return commands


def test_macos_is_asked_to_write_through_the_cache_of_the_disk(macos, tmp_path):
    write_atomic(tmp_path / "x", b"data", durable=True)
    assert macos == [(51, 0), (51, 0)]  # the file and its directory


def test_where_macos_cannot_write_through_the_cache_a_file_is_synced_in_the_usual_way(macos, monkeypatch, tmp_path):
    def refuse(_, command):
        raise OSError(errno.ENOTSUP, "no such command here")

    synced = []
    monkeypatch.setattr(fcntl, "fcntl", refuse)
    monkeypatch.setattr(os, "fsync", synced.append)
    write_atomic(tmp_path / "x", b"data", durable=True)
    assert len(synced) == 2


def test_macos_gets_the_structure_of_its_manual_for_a_hole(macos):
    """fcntl(2): `fp_flags` and `reserved` of 32 bits, then `fp_offset` and `fp_length` of 64 bits."""
    assert punch(7, 4096, 12288)
    ((command, argument),) = macos
    assert (command, struct.unpack("=IIqq", argument)) == (99, (0, 0, 4096, 8192))


@pytest.mark.parametrize("package", ["core", "plugins", "stores", "providers"])
def test_only_one_function_syncs_files(package):
    """Elsewhere macOS would be forgotten."""
    sources = [path for path in ROOT.glob(f"{package}/**/src/**/*.py") if "os.fsync(" in path.read_text()]
    assert sources in ([], [ROOT / "core" / "src" / "llm_gateway" / "files.py"])


def test_a_directory_that_is_not_readable_is_made_readable_without_proc(monkeypatch, tmp_path):
    monkeypatch.setattr(removing, "PORTABLE", True)
    (tmp_path / "closed").mkdir(mode=0o000)
    (tmp_path / "file").touch(mode=0o600)
    (tmp_path / "link").symlink_to("file")
    parent = os.open(tmp_path, os.O_RDONLY)
    try:
        for name in ("closed", "file", "link"):
            removing._make_readable(parent, name)
    finally:
        os.close(parent)
    assert stat.S_IMODE((tmp_path / "closed").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
