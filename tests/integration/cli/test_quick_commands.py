"""What short commands import, and when `jobs list` opens a gateway after all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.before_opening import DEFAULTS
from llm_gateway.settings.model import FileSettings

PROBE = """
import sys
from llm_gateway.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as exit_:
    code = exit_.code
print("MODULES", *sys.modules, file=sys.stderr)
sys.exit(code)
"""
#: Each costs as much CPU as the interpreter's whole start, or half of it.
HEAVY = {"pydantic", "anyio", "asyncio", "mcp", "pluggy", "importlib.metadata", "inspect", "dataclasses", "logging"}
MARK = "settings.checked"


def modules_of(command: Any, *words: str, code: int = 0, **environ: str) -> tuple[str, set[str]]:
    """Run the command in a new interpreter: what it printed, and the modules it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        env=command.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout, set(done.stderr.partition("MODULES")[2].split())


@pytest.mark.parametrize(
    "words",
    [("--version",), ("--help",), ("jobs", "--help"), ("review", "--help"), ("ask", "--help"), ("completion", "bash")],
    ids=" ".join,
)
def test_a_command_that_only_prints_imports_nothing_heavy(command: Any, words: tuple[str, ...]) -> None:
    del command.environ["LLM_GATEWAY_PLUGINS"]
    _, modules = modules_of(command, *words)
    assert modules & HEAVY == set()
    assert "sqlite3" not in modules


def test_jobs_list_imports_nothing_heavy_and_prints_what_the_gateway_would(command: Any, tmp_path: Path) -> None:
    assert command.run("ask", "echo", "hello").returncode == 0
    assert command.run("ask", "echo", "fail please", "--param", "scenario=fail").returncode != 0
    for words in (("jobs", "list"), ("jobs", "list", "--status", "completed"), ("jobs", "list", "--provider", "x")):
        quick, modules = modules_of(command, *words, "--json")
        assert modules & HEAVY == set()
        full, loaded = modules_of(command, *words, "--json", LLM_GATEWAY_TRACE_HOOKS="1")
        assert "pydantic" in loaded
        assert json.loads(quick) == json.loads(full)
    quick, _ = modules_of(command, "jobs", "list")
    full = command.run("jobs", "list", LLM_GATEWAY_TRACE_HOOKS="1").stdout
    assert without_ages(quick) == without_ages(full)


def without_ages(table: str) -> str:
    """A table without what changes between two commands."""
    return " ".join(re.sub(r"\d+ (s|min|h) ago", "", table).split())


def is_quick(command: Any, **environ: str) -> bool:
    return "pydantic" not in modules_of(command, "jobs", "list", **environ)[1]


def test_changed_settings_are_checked_by_a_full_start_once(command: Any) -> None:
    assert not is_quick(command), "there is no home yet"
    assert is_quick(command)
    (command.home / "config.toml").write_text("dedup_window_s = 7\n")
    assert not is_quick(command)
    assert is_quick(command)
    assert not is_quick(command, LLM_GATEWAY_LIMITS_RUNNING="3")
    assert is_quick(command, LLM_GATEWAY_LIMITS_RUNNING="3")


@pytest.mark.parametrize(
    ("text", "told"),
    [("dedup_windo_s = 1\n", "line 1"), ("\n[limits]\nrunning = 0\n", "line 3"), ("this is broken", "line 1")],
)
def test_broken_settings_are_refused_with_their_line_as_before(command: Any, text: str, told: str) -> None:
    assert command.run("jobs", "list").returncode == 0
    (command.home / "config.toml").write_text(text)
    for _ in range(2):
        done = command.run("jobs", "list")
        assert done.returncode == 2
        assert told in done.stderr


def test_a_warning_about_settings_is_shown_each_time(command: Any) -> None:
    for _ in range(2):
        done = command.run("jobs", "list", LLM_GATEWAY_NONSENSE="1")
        assert "LLM_GATEWAY_NONSENSE is set but unknown" in done.stderr


def test_a_home_that_is_open_to_others_is_closed_as_before(command: Any) -> None:
    assert command.run("jobs", "list").returncode == 0
    command.home.chmod(0o755)
    assert command.run("jobs", "list").returncode == 0
    assert command.home.stat().st_mode & 0o777 == 0o700


def test_a_store_of_another_version_is_reported_as_before(command: Any) -> None:
    import sqlite3

    assert command.run("jobs", "list").returncode == 0
    connection = sqlite3.connect(command.home / "gateway.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    done = command.run("jobs", "list")
    assert done.returncode == 1
    assert "newer version" in done.stderr


def test_a_job_whose_gateway_ended_is_taken_over_as_before(command: Any) -> None:
    """The quick path would say `running` for ever."""
    job = command.begin("hello", "--param", "scenario=steps", "--param", "amount=2", "--param", "delayMs=100")
    for _ in range(100):
        (listed,) = [one for one in command.json("jobs", "list")["jobs"] if one["id"] == job]
        if listed["status"] == "completed":
            break
        command.run("jobs", "wait", job, "--timeout", "1")
    assert listed["status"] == "completed"


def test_a_limit_that_the_operation_refuses_is_refused(command: Any) -> None:
    assert command.run("jobs", "list").returncode == 0
    assert command.run("jobs", "list", "--limit", "0").returncode == 2


def test_a_mark_that_cannot_be_written_is_no_failure(command: Any) -> None:
    assert command.run("jobs", "list").returncode == 0
    (command.home / MARK).unlink()
    (command.home / MARK).mkdir()
    assert command.run("jobs", "list").returncode == 0


def test_the_quick_path_knows_the_defaults_of_the_settings() -> None:
    defaults = FileSettings()
    assert {"store": defaults.store.url, "engine": defaults.engine.url} == DEFAULTS
