"""Commands that plugins add to `llm-gateway`."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from llm_gateway import Command, PluginHost, hookimpl
from llm_gateway.cli import main


class CommandPlugin:
    def __init__(self, *commands: Any) -> None:
        self.commands = commands

    @hookimpl
    def gateway_commands(self) -> Any:
        return self.commands


def greet(arguments: argparse.Namespace) -> int:
    print(f"Hello, {arguments.whom}!")
    return 7


GREET = Command(name="greet", help="Say hello.", options=lambda parser: parser.add_argument("whom"), run=greet)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that installs one extension with commands. It returns the record of the plugin."""
    host = PluginHost()

    def install(*commands: Any) -> Any:
        monkeypatch.setattr(PluginHost, "discover", lambda environ: host)
        return host.register(CommandPlugin(*commands), kind="extension", name="greeter")

    return install


def test_a_command_of_a_plugin_runs_with_its_options_and_its_exit_code_counts(installed: Any, capsys: Any) -> None:
    installed(GREET)
    assert main(["greet", "Ada"]) == 7
    assert capsys.readouterr().out == "Hello, Ada!\n"


def test_help_shows_the_commands_of_plugins(installed: Any, capsys: Any) -> None:
    installed(GREET)
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "say hello" in capsys.readouterr().out


def test_an_unknown_command_is_wrong_usage(installed: Any, capsys: Any) -> None:
    installed(GREET)
    with pytest.raises(SystemExit, match="2"):
        main(["greed"])
    assert "greet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (Command(name="jobs", help="Mine.", run=greet), "command jobs"),
        (Command(name="nothing", help="Mine."), "command nothing"),
        ("greet", "str"),
    ],
)
def test_an_invalid_command_is_left_out_and_reported_and_the_others_stay(
    wrong: Any, problem: str, installed: Any, capsys: Any
) -> None:
    record = installed(wrong, GREET)
    assert main(["greet", "Ada"]) == 7
    assert problem in record.problem


def test_a_command_of_the_kernel_loads_no_plugin(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(PluginHost, "discover", lambda environ: pytest.fail("plugins were searched"))
    with pytest.raises(SystemExit, match="0"):
        main(["jobs", "--help"])
