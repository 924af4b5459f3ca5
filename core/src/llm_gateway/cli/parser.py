"""The command line: every subcommand and option, and the module that runs it. Imports none of these modules."""

from __future__ import annotations

import argparse
import os

import llm_gateway

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from llm_gateway.model.command import Command

_EXITS = (
    "Exit codes: 0 success, 1 failed, 2 wrong usage or settings, 3 not finished yet, 4 no agent is ready, "
    "5 a review without a verdict, 130 interrupted (jobs continue)."
)
_POSTURES = ("read_only", "plan", "prompted", "accept_edits", "workspace_write", "bypass")

_AFTER_EXAMPLES = "\0"  #: separates the examples from the text that is wrapped
_EXAMPLES = {
    "": ('llm-gateway ask echo "hello"', "llm-gateway jobs", "llm-gateway doctor"),
    "serve": ("llm-gateway serve", "llm-gateway serve --prime"),
    "ask": (
        'llm-gateway ask echo "why does the build fail?"',
        'git diff | llm-gateway ask echo "explain"',
        'llm-gateway ask echo "and now?" --resume-latest',
        'llm-gateway ask echo "fix the tests" --posture accept_edits --async',
    ),
    "plugins": ("llm-gateway plugins", "llm-gateway plugins --json"),
    "new": ("llm-gateway plugin new provider acme",),
    "doctor": ("llm-gateway doctor", "llm-gateway doctor --json"),
    "config": (
        "llm-gateway config",
        "llm-gateway config get limits.running",
        "llm-gateway config set limits.running 4",
    ),
    "trust": ("llm-gateway trust add .", "llm-gateway trust list"),
    "completion": ('eval "$(llm-gateway completion bash)"',),
}

#: The commands of the kernel. Plugins add all others.
FRAME = ("serve", "ask", "plugins", "plugin", "doctor", "config", "trust", "completion")

Subparsers = argparse._SubParsersAction  # argparse has no public name for the result of add_subparsers


class _Formatter(argparse.HelpFormatter):
    """Wraps help at the width of the terminal. argparse makes one for each group of commands, and imports `shutil` for the width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width() - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap the text, but not the examples."""
        examples, _, rest = text.rpartition(_AFTER_EXAMPLES)
        wrapped = super()._fill_text(rest, width, indent)
        return f"{examples}\n{wrapped}\n" if examples else wrapped


class Parser(argparse.ArgumentParser):
    """Names the nearest known word if a word is unknown."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        from difflib import get_close_matches  # only mistakes need it

        known = [str(choice) for choice in action.choices]
        near = get_close_matches(str(value), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
        raise argparse.ArgumentError(action, f"unknown word {value!r}; {hint}")


def _width() -> int:
    try:
        columns = int(os.environ.get("COLUMNS", "0"))
        return columns if columns > 0 else os.get_terminal_size(1).columns or 80
    except (ValueError, OSError):
        return 80


def build_parser(more: Sequence[Command] = ()) -> argparse.ArgumentParser:
    """Build the parser of the command line.

    :param more: the commands of plugins.
    """
    parser = Parser(
        prog="llm-gateway",
        description="Runs coding agents for an assistant, and keeps their conversations, output and costs.",
        epilog=_epilog(_EXAMPLES[""]),
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action="version", version=f"llm-gateway {llm_gateway.__version__}")
    commands: Subparsers[argparse.ArgumentParser] = parser.add_subparsers(metavar="COMMAND", required=True)  # type: ignore[assignment]  # of Parser
    _serve(commands)
    _ask(commands)
    _checks(commands)
    for command in more:
        subparser = _add(commands, command.name, "plugin_commands", command.help, command.examples)
        subparser.set_defaults(command=command)
        command.options(subparser)
    return parser


def command_names(parser: argparse.ArgumentParser) -> set[str]:
    """Return the names of the commands of a parser."""
    return {name for action in parser._actions if isinstance(action, Subparsers) for name in action.choices}


def _epilog(examples: Sequence[str]) -> str:
    """Return the end of a help text: the examples, and the exit codes."""
    if not examples:
        return _EXITS
    lines = "".join(f"  {example}\n" for example in examples)
    return f"Examples:\n{lines}{_AFTER_EXAMPLES}{_EXITS}"


def _add(
    commands: Subparsers[argparse.ArgumentParser], name: str, module: str, text: str, examples: Sequence[str] = ()
) -> argparse.ArgumentParser:
    short = text[:1].lower() + text[1:].rstrip(".")
    epilog = _epilog(examples or _EXAMPLES.get(name, ()))
    parser = commands.add_parser(name, help=short, description=text, epilog=epilog, formatter_class=_Formatter)
    parser.set_defaults(module=module)
    return parser


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def _serve(commands: Subparsers[argparse.ArgumentParser]) -> None:
    serve = _add(commands, "serve", "serve", "Serve one MCP client over stdin and stdout. The log goes to stderr.")
    serve.add_argument("--transport", default="mcp", metavar="NAME", help="the transport plugin (default: mcp)")
    serve.add_argument("--prime", action="store_true", help="do not serve: only prepare a fast next start")


def _ask(commands: Subparsers[argparse.ArgumentParser]) -> None:
    ask = _add(
        commands,
        "ask",
        "ask",
        "Send a request to a provider and wait for the answer. Ctrl-C detaches: the job continues.",
    )
    ask.add_argument("provider", metavar="PROVIDER")
    ask.add_argument("prompt", metavar="PROMPT", help="the prompt; - reads it from stdin")
    ask.add_argument("-m", "--model", metavar="NAME", help="the model (default: the provider's default)")
    ask.add_argument("--posture", choices=_POSTURES, help="what the run may do without asking")
    which = ask.add_mutually_exclusive_group()
    which.add_argument(
        "-s", "--session", metavar="ID", help="continue this conversation: an id gw-… or the provider's session id"
    )
    which.add_argument(
        "--resume-latest", action="store_true", help="continue the newest conversation of this directory"
    )
    which.add_argument("--new", action="store_true", help="start a new conversation, and never reuse an earlier answer")
    ask.add_argument("-C", "--dir", metavar="PATH", help="the working directory of the run (default: the current one)")
    ask.add_argument("-t", "--timeout", metavar="TIME", help="stop the run after this time: 90, 90s, 10m, 2h")
    ask.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the request, such as addDirs='[\"/tmp\"]'; VALUE is JSON or plain text",
    )
    ask.add_argument("--trace", action="store_true", help="print every hook call and its time to stderr")
    ask.add_argument("--async", action="store_true", dest="detach", help="start the job and print its id; do not wait")
    _json(ask)


def _checks(commands: Subparsers[argparse.ArgumentParser]) -> None:
    _json(_add(commands, "plugins", "plugins", "List every installed plugin and its problems."))
    epilog = _epilog(_EXAMPLES["new"])
    plugin = commands.add_parser("plugin", help="create a plugin", epilog=epilog, formatter_class=_Formatter)
    verbs = plugin.add_subparsers(metavar="VERB", required=True)
    new = _add(verbs, "new", "plugin_new", "Create the files of a plugin: a distribution with tests that pass.")
    new.add_argument("kind", metavar="KIND", help="provider, policy, store, engine, transport or extension")
    new.add_argument("name", metavar="NAME", help="lower-case letters, digits and _")
    new.add_argument("--into", metavar="DIR", help="an empty folder (default: one named after the distribution)")
    _json(_add(commands, "doctor", "doctor", "Check the installation. Exit code 1: something is broken."))
    _config(commands)
    _trust(commands)
    completion = _add(commands, "completion", "completion", "Print a script that completes commands in a shell.")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")


def _config(commands: Subparsers[argparse.ArgumentParser]) -> None:
    config = _add(commands, "config", "config", "Show every setting, its value and its source.")
    config.set_defaults(verb="show")
    _json(config)
    verbs = config.add_subparsers(metavar="VERB")
    for verb, text in (
        ("get", "Print the value of one key."),
        ("set", "Set a key in the settings file, if the settings are valid then."),
        ("path", "Print the path of the settings file."),
        ("edit", "Edit the settings file with $VISUAL or $EDITOR; it is replaced only by valid settings."),
    ):
        parser = _add(verbs, verb, "config", text, _EXAMPLES["config"])
        parser.set_defaults(verb=verb)
        if verb in ("get", "set"):
            parser.add_argument("key", metavar="KEY", help="such as limits.running")
        if verb == "set":
            parser.add_argument("value", metavar="VALUE", help="a value of TOML, or plain text")


def _trust(commands: Subparsers[argparse.ArgumentParser]) -> None:
    trust = commands.add_parser(
        "trust",
        help="the directories whose projects you trust",
        description='The directories whose own settings of a CLI apply where [providers.<name>] config is "project".',
        epilog=_epilog(_EXAMPLES["trust"]),
        formatter_class=_Formatter,
    )
    verbs = trust.add_subparsers(metavar="VERB", required=True)
    for verb, text in (
        ("add", "Trust a directory and all directories in it."),
        ("remove", "Trust a directory no longer."),
        ("list", "List the trusted directories."),
    ):
        parser = _add(verbs, verb, "trust", text, _EXAMPLES["trust"])
        parser.set_defaults(verb=verb)
        if verb != "list":
            parser.add_argument("directory", metavar="DIR")
        _json(parser)
