"""The command itself, with the imitation agent of the workspace, in a process of its own behind the wall."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

#: What the child of the wall says: whether it is alone, and whether it reaches itself.
ALONE = """
import socket
from llm_gateway_extension_verify.wall import enter_namespace
wall = enter_namespace()
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname(), 5).close()
print(wall, *[name for _, name in socket.if_nameindex()])
"""


def environment(folder: Path) -> dict[str, str]:
    (folder / "home").mkdir(exist_ok=True)
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "LLM_GATEWAY_HOME": str(folder / "gateway"),
        "TMPDIR": str(folder),
    }


def verify(folder: Path, python: tuple[str, ...], *words: str) -> tuple[int, Any, str]:
    """Run the command; its exit code, its JSON and its standard error."""
    command = [*python, "-m", "llm_gateway.cli", "verify", *words]
    done = subprocess.run(
        command, env=environment(folder), cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout, done.stderr


def test_an_installed_program_is_verified_and_the_result_is_kept(tmp_path: Path, python: tuple[str, ...]) -> None:
    code, told, errors = verify(tmp_path, python, "echo", "--json")
    assert code == 0, (told, errors)
    (program,) = told["programs"]
    statuses = {name: check["status"] for name, check in program["checks"].items()}
    assert (statuses["starts"], statuses["probes-quiet"], statuses["answer"]) == ("ok", "ok", "skipped")
    assert (program["ok"], program["version"], program["changed"]) == (True, "0.1.0", [])
    assert program["wall"] in ("namespace", "proxy")
    (kept,) = json.loads((tmp_path / "gateway" / "verified" / "echo.json").read_text())
    assert (kept["version"], kept["checks"].keys()) == ("0.1.0", program["checks"].keys())
    assert (tmp_path / "gateway" / "verified" / "echo.json").stat().st_mode & 0o077 == 0
    assert list((tmp_path / "home").iterdir()) == [], "nothing is written into the user's home"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("llmgw-")] == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_everything_and_leaves_nothing(number: int, code: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "llm_gateway.cli", "verify", "echo"]
    with subprocess.Popen(
        command, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert process.stdout.readline(), "the first check is done, others are not"
        process.send_signal(number)
        process.stdout.read()
        assert process.wait(60) == code
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("llmgw-")] == []
    assert not (tmp_path / "gateway" / "verified").exists()


@pytest.mark.parametrize("words", [("nobody",), ("echo", "--only", "no-such-check")])
def test_a_wrong_name_is_wrong_usage(words: tuple[str, ...], tmp_path: Path, python: tuple[str, ...]) -> None:
    code, _, errors = verify(tmp_path, python, *words)
    assert code == 2
    assert words[-1] in errors


@pytest.mark.linux
def test_in_the_namespace_there_is_nothing_but_loopback() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=60, check=True)
    wall, *interfaces = done.stdout.split()
    assert wall == "proxy" or interfaces == ["lo"]
