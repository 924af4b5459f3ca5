"""What the gateway runs for itself ends with it: at the end of the call, at the end of the process, and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from select import select

import pytest

from llm_gateway import OWNER, owned
from llm_gateway.owned_processes import end_abandoned

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes of POSIX")
_WAIT_S = 20.0
#: Leaves a process in a session of its own behind, which keeps the descriptor `{fd}` open, and ends.
_LEAVES = """
import os, time
if os.fork() == 0:
    os.setsid()
    os.write({fd}, b"!")
    time.sleep(600)
os.wait() if {stay} else None
"""
#: Says that it runs, and stays. A search may miss a program that is just being executed.
_STAYS = "print(flush=True); import time; time.sleep(600)"
#: Exits while another thread is in the middle of a call.
_GATEWAY = """
import subprocess, sys, threading
from llm_gateway import owned
def call():
    with owned({{"PATH": "/bin:/usr/bin"}}) as env:
        subprocess.run([sys.executable, "-c", {program!r}], env=env, pass_fds=({fd},))
threading.Thread(target=call, daemon=True).start()
sys.stdin.readline()
"""


@pytest.fixture
def lifeline() -> Iterator[tuple[int, int]]:
    """A pipe: its reader sees the end of file when no process has the writer any more."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    yield reader, writer
    os.close(reader)


def _is_over(reader: int) -> bool:
    """Whether no process has the writer any more. Waits for that for some seconds."""
    while select([reader], [], [], _WAIT_S)[0]:
        if not os.read(reader, 64):
            return True
    return False


def _start(env: dict[str, str], *fds: int) -> subprocess.Popen[bytes]:
    """Start a program, and wait until it runs."""
    process = subprocess.Popen([sys.executable, "-c", _STAYS], env=env, pass_fds=fds, stdout=subprocess.PIPE)
    assert process.stdout
    with process.stdout as output:
        assert output.readline() == b"\n"
    return process


def _gateway(fd: int) -> subprocess.Popen[bytes]:
    program = _GATEWAY.format(program=_LEAVES.format(fd=fd, stay=True), fd=fd)
    return subprocess.Popen([sys.executable, "-c", program], pass_fds=(fd,), stdin=subprocess.PIPE)


def test_what_a_program_leaves_behind_ends_with_the_call(lifeline: tuple[int, int]) -> None:
    reader, writer = lifeline
    program = [sys.executable, "-c", _LEAVES.format(fd=writer, stay=False)]
    with owned(os.environ) as env:
        subprocess.run(program, env=env, pass_fds=(writer,), check=True, timeout=_WAIT_S)
        os.close(writer)
        assert os.read(reader, 1) == b"!"
    assert _is_over(reader)


def test_a_call_that_fails_ends_its_program(lifeline: tuple[int, int]) -> None:
    reader, writer = lifeline
    with suppress(KeyError), owned(os.environ, search=False) as env:
        process = _start(env, writer)
        os.close(writer)
        raise KeyError
    assert process.wait(_WAIT_S) == -signal.SIGKILL
    assert _is_over(reader)


def test_calls_at_the_same_time_end_only_their_own() -> None:
    with owned(os.environ) as first:
        process = _start(first)
        with owned(os.environ):
            pass
        assert process.poll() is None
    assert process.wait(_WAIT_S) == -signal.SIGKILL


def test_it_ends_when_the_gateway_exits_in_the_middle_of_a_call(lifeline: tuple[int, int]) -> None:
    reader, writer = lifeline
    gateway = _gateway(writer)
    os.close(writer)
    assert os.read(reader, 1) == b"!"
    gateway.communicate(b"\n", timeout=_WAIT_S)
    assert _is_over(reader)


def test_what_a_killed_gateway_left_is_ended_by_the_next_and_nothing_of_a_living_one(lifeline: tuple[int, int]) -> None:
    reader, writer = lifeline
    gateway = _gateway(writer)
    os.close(writer)
    assert os.read(reader, 1) == b"!"
    with gateway, owned(os.environ) as env:
        living = _start(env)
        end_abandoned()
        assert select([reader], [], [], 0)[0] == []  # its gateway runs
        gateway.kill()
        gateway.wait(_WAIT_S)
        end_abandoned()
        assert _is_over(reader)
        assert living.poll() is None
    assert living.wait(_WAIT_S) == -signal.SIGKILL


def test_a_mark_that_is_no_owner_is_left_alone() -> None:
    process = _start({OWNER: "what:ever"})
    try:
        end_abandoned()
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_folder_of_the_processes_stays_unused_where_only_psutil_may_be_used(tmp_path: Path) -> None:
    program = (
        "import builtins, os\n"
        "from llm_gateway import owned\n"
        "seen = []\n"
        "import sys\n"
        "sys.addaudithook(lambda event, args: seen.append((args, sys._getframe(1).f_code.co_filename))"
        " if event in ('open', 'os.listdir') and str(args[0]).startswith('/proc') else None)\n"
        "with owned({}): pass\n"
        "print([place for place in seen if 'psutil' not in place[1]])\n"
    )
    env = {**os.environ, "LLM_GATEWAY_PORTABLE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_where_the_processes_cannot_be_listed_nothing_is_ended_and_nothing_fails(tmp_path: Path) -> None:
    program = (
        "import os, resource\n"
        "from llm_gateway import end_abandoned, owned\n"
        "low = os.open('/', os.O_RDONLY)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (low, low))\n"  # no descriptor is free
        "with owned({}) as env:\n"
        "    print(len(env))\n"
        "print(end_abandoned())\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "LLM_GATEWAY_PORTABLE"}
    run = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.split() == ["1", "0"]
