"""What `llm-gateway` imports, and what the manual says of it."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from llm_gateway import __version__
from llm_gateway.cli.exits import Exit
from llm_gateway.cli.plugin_commands import every_command

PAGE = (Path(__file__).parents[3] / "docs/reference/command-line.md").read_text("utf-8")
PROBE = """
import sys
from llm_gateway.cli import main
try:
    main({words})
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


def modules_after(words: list[str], code: str = PROBE) -> tuple[str, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", code.format(words=words)], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, set(done.stderr.split())


def test_the_version_costs_no_import_of_weight() -> None:
    printed, modules = modules_after(["--version"])
    assert printed == f"llm-gateway {__version__}\n"
    tops = {module.partition(".")[0] for module in modules}
    assert not tops & {"pydantic", "anyio", "asyncio", "pluggy", "stevedore", "importlib_metadata", "mcp", "sqlite3"}


def test_serve_imports_nothing_of_the_other_commands() -> None:
    _, modules = modules_after([], "import sys, llm_gateway.cli.serve; print(*sys.modules, file=sys.stderr)")
    ours = {module.removeprefix("llm_gateway.cli.") for module in modules if module.startswith("llm_gateway.cli.")}
    assert ours == {"serve", "running", "exits", "streams"}
    assert "mcp" not in modules


def commands(parser: argparse.ArgumentParser, prefix: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield f"{prefix} {name}", inner
                yield from commands(inner, f"{prefix} {name}")


def test_the_manual_names_every_command_and_option() -> None:
    missing = []
    for name, parser in commands(every_command({}), "llm-gateway"):
        if f"`{name}" not in PAGE:
            missing.append(name)
        for action in parser._actions:
            missing += [f"{name} {flag}" for flag in action.option_strings if flag[:2] == "--" and flag not in PAGE]
    assert missing == []


def test_every_help_ends_with_examples() -> None:
    parsers = dict(commands(every_command({}), "llm-gateway"))
    assert [name for name, parser in parsers.items() if "Examples:" not in parser.format_help()] == []


def test_every_example_is_understood() -> None:
    parser = every_command({})
    shown = [line for _, one in commands(parser, "") for line in one.format_help().splitlines()]
    examples = {line.strip() for line in shown if line.startswith("  llm-gateway ")}
    assert len(examples) > 20
    for example in examples:
        parser.parse_args(shlex.split(example)[1:])


def test_the_manual_has_every_exit_code() -> None:
    assert [code.name for code in Exit if f"| {code.value} |" not in PAGE] == []
