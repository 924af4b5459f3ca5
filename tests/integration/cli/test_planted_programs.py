"""A repository, or /tmp, holds programs of well-known names; the PATH has entries that mean the current directory. None is run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.subcommands import WORDS, every_subcommand

pytestmark = pytest.mark.slow

NAMES = (
    *(
        "git",
        "npm",
        "npx",
        "node",
        "uv",
        "pip",
        "pipx",
        "brew",
        "ps",
        "sh",
        "env",
        "python",
        "python3",
        "bwrap",
        "sqry-mcp",
    ),
    *(
        "claude",
        "codex",
        "gemini",
        "agy",
        "grok",
        "vibe",
        "echo-agent",
        "llm-gateway",
        "code",
        "cursor",
        "cargo",
        "volta",
    ),
)
PATHS = [":/usr/bin:/bin", ".", "", ".:bin:", "bin:/usr/bin"]
#: The rest of a doubtful path: a whole demo for each would take a minute.
_ONCE = {("demo",)}


@pytest.fixture(scope="session")
def python() -> tuple[str, ...]:
    """What a repository plants may be found while an interpreter starts, so each one starts."""
    return (sys.executable,)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder with a program of each name, and one `bin` below it; each leaves a mark."""
    folder = tmp_path / "repository"
    for place in (folder, folder / "bin"):
        place.mkdir()
        for name in NAMES:
            (place / name).write_text(f'#!/bin/sh\necho {name} >> "{tmp_path}/marks"\necho 9.9.9\n')
            (place / name).chmod(0o755)
    for name in ("anyio", "pydantic", "llm_gateway"):
        (folder / f"{name}.py").write_text(
            f'open("{tmp_path}/marks", "a").write("module {name}\\n")\nraise SystemExit(9)\n'
        )
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


def marks(trap: Path) -> str:
    found = trap.parent / "marks"
    return found.read_text() if found.exists() else ""


def safe(words: tuple[str, ...]) -> list[str]:
    return [
        sys.executable,
        "-c",
        "import sys; sys.path.pop(0); from llm_gateway.cli import main; sys.exit(main())",
        *words,
    ]


@pytest.mark.parametrize("words", every_subcommand(), ids=" ".join)
def test_no_subcommand_runs_a_program_of_the_directory_that_it_is_called_in(command, trap: Path, words) -> None:
    environ = {name: value for name, value in command.environ.items() if name != "LLM_GATEWAY_PLUGINS"}
    for path in PATHS[:1] if words in _ONCE else PATHS[:2]:
        done = subprocess.run(
            safe((*words, *WORDS.get(words, []))),
            cwd=trap,
            env=environ | {"PATH": path, "HOME": str(command.home.parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert marks(trap) == ""


@pytest.mark.parametrize("path", PATHS)
def test_no_call_over_the_protocol_runs_a_program_of_the_working_directory(command, trap: Path, path: str) -> None:
    calls = [
        ("cli_versions", {}),
        ("list_models", {}),
        ("cli_upgrade", {"provider": "echo", "dryRun": False, "target": "0.0.0"}),
        ("echo_request", {"prompt": "hello", "mcpServers": None, "workingDir": str(trap)}),
        ("claude_request", {"prompt": "hello", "workingDir": str(trap)}),
        ("codex_request", {"prompt": "hello", "mcpServers": ["sqry"], "workingDir": str(trap)}),
        ("review", {"providers": ["echo"], "workingDir": str(trap), "uncommitted": True}),
        ("llm_process_health", {}),
    ]
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    lines = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]
    lines += [
        {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls, 1)
    ]
    environ = {name: value for name, value in command.environ.items() if name != "LLM_GATEWAY_PLUGINS"}
    process = subprocess.Popen(
        safe(("serve",)), cwd=trap, env=environ | {"PATH": path}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        process.stdin.flush()
        left = set(range(len(calls) + 1))
        while left:
            line = process.stdout.readline()
            assert line, "the gateway ended"
            left.discard(json.loads(line).get("id"))
    finally:
        process.communicate(timeout=60)
    assert marks(trap) == ""


def test_the_trap_works(trap: Path) -> None:
    subprocess.run(
        ["/bin/sh", "-c", "claude"], cwd=trap, env={"PATH": ":/bin:/usr/bin"}, check=True, capture_output=True
    )
    assert marks(trap) == "claude\n"
