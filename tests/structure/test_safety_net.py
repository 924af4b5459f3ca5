"""The net under the tests, tested: it catches what it says, and a good test does not feel it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

CARELESS = """
import os, subprocess, sys, threading

kept = []
WAIT = [sys.executable, "-c", "input()"]

def test_environment():
    os.environ["CARELESS"] = "1"

def test_directory(tmp_path):
    os.chdir(tmp_path)

def test_child():
    kept.append(subprocess.Popen(WAIT, stdin=subprocess.PIPE))

def test_orphan(tmp_path):
    inner = f"import subprocess; subprocess.Popen({WAIT!r}, start_new_session=True)"
    reading, writing = os.pipe()
    marked = {"LLM_GATEWAY_JOB": str(tmp_path)}
    subprocess.run([sys.executable, "-c", inner], stdin=reading, stdout=subprocess.DEVNULL, env=marked, check=True)
    os.close(reading)
    os.set_inheritable(writing, True)
    kept.append(writing)

def test_thread():
    gate = threading.Event()
    kept.append(gate)
    threading.Thread(target=gate.wait, args=(1,), name="careless").start()

def test_file(tmp_path):
    kept.append(open(tmp_path / "file", "w"))

def test_careful(tmp_path, monkeypatch):
    monkeypatch.setenv("CAREFUL", "1")
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-c", ""], check=True)
    (tmp_path / "file").write_text("closed")
"""


def test_lesson_64_the_home_of_a_test_is_not_the_real_one() -> None:
    real = Path(pwd.getpwuid(os.getuid()).pw_dir)
    for name in ("HOME", "LLM_GATEWAY_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        assert not Path(os.environ[name]).is_relative_to(real), name


def test_lesson_34_no_key_and_no_setting_of_the_developer_reaches_a_test() -> None:
    assert [name for name in os.environ if name.endswith("_API_KEY")] == []
    assert [name for name in os.environ if name.startswith("LLM_GATEWAY_")] == ["LLM_GATEWAY_HOME"]


def test_what_a_careless_test_leaves_behind_is_named_at_that_test(pytester: pytest.Pytester) -> None:
    net = (ROOT / "conftest.py").read_text("utf-8")
    net = (ROOT / "conftest.py").read_text("utf-8")
    pytester.makeconftest(f"{net}\nimport llm_gateway_testing.leaks\nllm_gateway_testing.leaks.GRACE_S = 0.2\n")
    pytester.makepyfile(CARELESS)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)
    result.stdout.fnmatch_lines(
        [
            "*at teardown of test_environment *",
            "*changed environment variables: CARELESS",
            "*at teardown of test_directory *",
            "*changed the working directory",
            "*at teardown of test_child *",
            "*left a process: * input()*",
            "*at teardown of test_orphan *",
            "*left a process: * input()*",
            "*at teardown of test_thread *",
            "*left a thread running: careless",
            "*at teardown of test_file *",
            "*left a file open: */file (*)",
        ]
    )
    result.assert_outcomes(passed=7, errors=6)
