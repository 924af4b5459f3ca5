"""Commands that plugins add to `llm-gateway`: declared by an entry point, or by the hook `gateway_commands`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_gateway.cli import installed, main
from llm_gateway.cli.installed import InstalledCommands
from llm_gateway.cli.parser import FRAME, build_parser, command_names
from llm_gateway.plugins import PluginHost

COMMAND = """
from llm_gateway import Command
def run(arguments):
    print(f"Hello, {{arguments.whom}}!")
    return 7
{name} = Command(name="{name}", help="Say {name}.", options=lambda parser: parser.add_argument("whom"), run=run)
"""
HOOK = """
from llm_gateway import hookimpl
@hookimpl
def gateway_commands():
    return [{names}]
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs a distribution of a stranger, as pip leaves it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delenv("LLM_GATEWAY_PLUGINS", raising=False)
    before = set(sys.modules)

    def write(module: str, code: str, **groups: str) -> None:
        (site / f"{module}.py").write_text(code)
        info = site / f"{module}_dist-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}-dist\nVersion: 1.2\n")
        text = "".join(f"[llm_gateway.{group}]\n{line}\n" for group, line in groups.items())
        (info / "entry_points.txt").write_text(text)

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("stranger"):
            del sys.modules[name]


@pytest.fixture
def no_plugin_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PluginHost, "discover", lambda *_, **__: pytest.fail("plugins were loaded"))


def help_text(capsys: Any) -> str:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    return str(capsys.readouterr().out)


def test_a_declared_command_runs_with_its_options_and_its_exit_code_counts(
    install: Install, no_plugin_is_loaded: None, capsys: Any
) -> None:
    install("stranger_one", COMMAND.format(name="greet"), commands="greet = stranger_one:greet")
    assert main(["greet", "Ada"]) == 7
    assert capsys.readouterr().out == "Hello, Ada!\n"
    assert "say greet" in help_text(capsys)


def test_a_command_of_the_hook_runs_and_is_shown_by_help(install: Install, capsys: Any) -> None:
    install(
        "stranger_two",
        COMMAND.format(name="greet") + HOOK.format(names="greet"),
        extension="stranger_two = stranger_two",
    )
    assert main(["greet", "Ada"]) == 7
    assert capsys.readouterr().out == "Hello, Ada!\n"
    assert "say greet" in help_text(capsys)


def test_help_loads_no_plugin_when_every_extension_is_of_the_product_or_declares_its_commands(
    install: Install, no_plugin_is_loaded: None, capsys: Any
) -> None:
    install(
        "stranger_three",
        COMMAND.format(name="greet") + HOOK.format(names="greet"),
        commands="greet = stranger_three:greet",
        extension="stranger_three = stranger_three",
    )
    shown = help_text(capsys)
    assert "say greet" in shown
    for name in (*FRAME, "jobs", "sessions", "cache", "connect", "disconnect", "review"):
        assert f"\n    {name}" in shown


def test_a_distribution_may_declare_a_command_and_return_it_from_its_hook(install: Install) -> None:
    from llm_gateway.cli.hook_commands import usable

    install(
        "stranger_four",
        COMMAND.format(name="greet") + HOOK.format(names="greet"),
        commands="greet = stranger_four:greet",
        extension="stranger_four = stranger_four",
    )
    host = PluginHost.discover({})
    host.load(("extension",))
    assert usable(host, InstalledCommands({})) == []
    assert next(record.problem for record in host.records if record.name == "stranger_four") == ""


@pytest.mark.parametrize("name", ["doctor", "jobs", "review"])
def test_a_stranger_replaces_no_command_by_a_declaration_or_a_hook(install: Install, name: str) -> None:
    install("stranger_five", COMMAND.format(name=name), commands=f"{name} = stranger_five:{name}")
    install(
        "stranger_six", COMMAND.format(name=name) + HOOK.format(names=name), extension="stranger_six = stranger_six"
    )
    installed = InstalledCommands({})
    assert [problem for problem in installed.problems if f"stranger_five-dist 1.2: the command {name}" in problem]
    command = installed.load(name)
    assert command is None or command.run is None, "the product's own"
    from llm_gateway.cli.hook_commands import usable

    host = PluginHost.discover({})
    host.load(("extension",))
    assert usable(host, installed) == []
    problem = next(record.problem for record in host.records if record.name == "stranger_six")
    assert f"the command {name} exists already" in problem


BROKEN = {
    "import": ("import no_such_module", "ModuleNotFoundError"),
    "exit": ("raise SystemExit(3)", "SystemExit"),
    "missing": ("", "AttributeError"),
    "another_name": (COMMAND.format(name="other") + "greet = other", "not a Command with this name"),
    "no_work": (
        "from llm_gateway import Command\ngreet = Command(name='greet', help='H.')",
        "exactly one of run and work",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_command_is_named_and_the_others_stay(install: Install, fault: str, capsys: Any) -> None:
    code, problem = BROKEN[fault]
    install("stranger_seven", code, commands="greet = stranger_seven:greet")
    assert main(["greet", "Ada"]) == 2
    told = capsys.readouterr().err
    assert "stranger_seven-dist 1.2" in told
    assert problem in told
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr()
    assert "stranger_seven-dist 1.2" in shown.err
    assert "jobs" in shown.out


def test_an_unknown_command_is_wrong_usage(install: Install, capsys: Any) -> None:
    install("stranger_eight", COMMAND.format(name="greet"), commands="greet = stranger_eight:greet")
    with pytest.raises(SystemExit, match="2"):
        main(["greed"])
    assert "greet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("chosen", "there"),
    [(None, True), ("stranger_nine", True), ("extension:stranger_nine", True), ("echo", False), ("", False)],
)
def test_a_command_whose_extension_is_left_out_is_left_out_too(
    install: Install, chosen: str | None, there: bool
) -> None:
    install(
        "stranger_nine",
        COMMAND.format(name="greet"),
        commands="greet = stranger_nine:greet",
        extension="stranger_nine = stranger_nine",
    )
    environ = {} if chosen is None else {"LLM_GATEWAY_PLUGINS": chosen}
    assert ("greet" in InstalledCommands(environ).names) is there


def test_of_several_extensions_of_a_distribution_the_one_in_the_same_package_counts(install: Install) -> None:
    install(
        "stranger_ten",
        "",
        commands="greet = stranger_ten.one.commands:greet",
        extension="one = stranger_ten.one.plugin\ntwo = stranger_ten.two.plugin",
    )
    assert "greet" in InstalledCommands({"LLM_GATEWAY_PLUGINS": "one"}).names
    assert "greet" not in InstalledCommands({"LLM_GATEWAY_PLUGINS": "two"}).names


def test_the_kernel_has_exactly_the_commands_of_the_frame() -> None:
    assert command_names(build_parser()) == set(FRAME)


def test_a_command_of_the_kernel_reads_no_entry_points(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(installed, "find", lambda groups: pytest.fail("plugins were searched"))
    with pytest.raises(SystemExit, match="0"):
        main(["ask", "--help"])
