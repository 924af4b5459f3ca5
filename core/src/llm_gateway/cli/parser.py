"""The command line: every subcommand and option, and the module that runs it. Imports none of these modules."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import llm_gateway

if TYPE_CHECKING:
    from llm_gateway import Command

_EXITS = (
    "Exit codes: 0 success, 1 failed, 2 wrong usage or settings, 3 not finished yet, 130 interrupted (jobs continue)."
)
_STATES = ("queued", "running", "completed", "failed", "canceled", "interrupted")
_POSTURES = ("read_only", "plan", "prompted", "accept_edits", "workspace_write", "bypass")

Subparsers = argparse._SubParsersAction  # argparse has no public name for the result of add_subparsers


def build_parser(more: Sequence[Command] = ()) -> argparse.ArgumentParser:
    """Build the parser of the command line.

    :param more: the commands of plugins.
    """
    parser = argparse.ArgumentParser(
        prog="llm-gateway",
        description="Runs coding agents for an assistant, and keeps their conversations, output and costs.",
        epilog=_EXITS,
    )
    parser.add_argument("--version", action="version", version=f"llm-gateway {llm_gateway.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _serve(commands)
    _ask(commands)
    _jobs(commands)
    _sessions(commands)
    _cache(commands)
    _checks(commands)
    _demo(commands)
    for command in more:
        subparser = _add(commands, command.name, "plugin_commands", command.help)
        subparser.set_defaults(command=command)
        command.options(subparser)
    return parser


def has_command(parser: argparse.ArgumentParser, command: str) -> bool:
    """Return whether the parser has this command."""
    return command in command_names(parser)


def command_names(parser: argparse.ArgumentParser) -> set[str]:
    """Return the names of the commands of a parser."""
    return {name for action in parser._actions if isinstance(action, Subparsers) for name in action.choices}


def _add(commands: Subparsers[argparse.ArgumentParser], name: str, module: str, text: str) -> argparse.ArgumentParser:
    short = text[:1].lower() + text[1:].rstrip(".")
    parser = commands.add_parser(name, help=short, description=text, epilog=_EXITS)
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
    ask.add_argument("--model", metavar="NAME", help="the model (default: the provider's default)")
    ask.add_argument("--posture", choices=_POSTURES, help="what the run may do without asking")
    which = ask.add_mutually_exclusive_group()
    which.add_argument(
        "--session", metavar="ID", help="continue this conversation: an id gw-… or the provider's session id"
    )
    which.add_argument(
        "--resume-latest", action="store_true", help="continue the newest conversation of this directory"
    )
    which.add_argument("--new", action="store_true", help="start a new conversation, and never reuse an earlier answer")
    ask.add_argument("--dir", metavar="PATH", help="the working directory of the run (default: the current one)")
    ask.add_argument("--timeout", metavar="TIME", help="stop the run after this time: 90, 90s, 10m, 2h")
    ask.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the request, such as addDirs='[\"/tmp\"]'; VALUE is JSON or plain text",
    )
    ask.add_argument("--trace", action="store_true", help="print every hook call and its time to stderr")
    ask.add_argument("--async", action="store_true", dest="detach", help="start the job and print its id; do not wait")
    _json(ask)


def _jobs(commands: Subparsers[argparse.ArgumentParser]) -> None:
    jobs = commands.add_parser("jobs", help="list jobs, wait for them, cancel them", epilog=_EXITS)
    verbs = jobs.add_subparsers(metavar="VERB", required=True)

    def add(name: str, text: str, *, ids: str | None = None) -> argparse.ArgumentParser:
        parser = _add(verbs, name, "jobs", text)
        parser.set_defaults(verb=name)
        if ids is not None:
            parser.add_argument("job", metavar="ID", nargs=ids or None)
        return parser

    listed = add("list", "List jobs, newest first.")
    listed.add_argument("--status", choices=_STATES)
    listed.add_argument("--provider", metavar="NAME")
    listed.add_argument("--limit", type=int, default=50, metavar="N")
    shown = add("show", "Show the status of a job.", ids="")
    add("tail", "Follow a job, then print its reply. Ctrl-C detaches: the job continues.", ids="")
    waited = add("wait", "Wait for jobs. Exit code 0: all completed; 1: one failed; 3: the time is over.", ids="+")
    waited.add_argument("--any", action="store_true", help="return when the first job has ended")
    waited.add_argument("--timeout", metavar="TIME", help="how long to wait: 90, 90s, 10m (default: no limit)")
    canceled = add("cancel", "Cancel a job and stop all its processes. Its output is kept.", ids="")
    result = add("result", "Print the reply of a job, or the output of its program.", ids="")
    form = result.add_mutually_exclusive_group()
    form.add_argument("--raw", choices=("stdout", "stderr"), help="the output of the program, unchanged")
    for parser in (listed, shown, waited, canceled):
        _json(parser)
    form.add_argument("--json", action="store_true", help="print JSON for programs")


def _sessions(commands: Subparsers[argparse.ArgumentParser]) -> None:
    sessions = commands.add_parser(
        "sessions", help="list conversations, choose the active one, delete them", epilog=_EXITS
    )
    verbs = sessions.add_subparsers(metavar="VERB", required=True)

    def add(name: str, text: str, *, ids: str | None = None) -> argparse.ArgumentParser:
        parser = _add(verbs, name, "sessions", text)
        parser.set_defaults(verb=name)
        if ids is not None:
            parser.add_argument("session", metavar="ID", nargs=ids or None)
        if name != "show":
            parser.add_argument("--provider", metavar="NAME")
        _json(parser)
        return parser

    add("list", "List sessions, the last used first.").add_argument("--limit", type=int, default=50, metavar="N")
    add("show", "Show a session and its newest turns.", ids="")
    use = add(
        "use",
        "Make a session the active one of a directory: requests without a session continue it. ID none: no session.",
        ids="",
    )
    use.add_argument("--dir", metavar="PATH", help="the directory (default: the current one)")
    delete = add(
        "delete", "Delete sessions. The files of the provider are kept. Exit code 3: a session is in use.", ids="*"
    )
    delete.add_argument("--all", action="store_true", help="delete all sessions, or all of --provider")


def _cache(commands: Subparsers[argparse.ArgumentParser]) -> None:
    cache = _add(commands, "cache", "cache", "Show how well prompt caches are used, and the money saved and wasted.")
    cache.set_defaults(verb="show")
    cache.add_argument("--days", type=int, default=30, metavar="N", help="the last N days (default: 30); 1 shows hours")
    _json(cache)
    explain = _add(cache.add_subparsers(metavar="VERB"), "explain", "cache", "Explain a conversation turn by turn.")
    explain.set_defaults(verb="explain")
    explain.add_argument("session", metavar="SESSION", help="an id gw-… or the provider's session id")
    _json(explain)


def _checks(commands: Subparsers[argparse.ArgumentParser]) -> None:
    _json(_add(commands, "plugins", "plugins", "List every installed plugin and its problems."))
    plugin = commands.add_parser("plugin", help="create a plugin", epilog=_EXITS)
    verbs = plugin.add_subparsers(metavar="VERB", required=True)
    new = _add(verbs, "new", "plugin_new", "Create the files of a plugin: a distribution with tests that pass.")
    new.add_argument("kind", metavar="KIND", help="provider, policy, store, engine, transport or extension")
    new.add_argument("name", metavar="NAME", help="lower-case letters, digits and _")
    new.add_argument("--into", metavar="DIR", help="an empty folder (default: one named after the distribution)")
    _json(_add(commands, "doctor", "doctor", "Check the installation. Exit code 1: something is broken."))
    _json(_add(commands, "config", "config", "Show every setting, its value and its source."))


def _demo(commands: Subparsers[argparse.ArgumentParser]) -> None:
    demo = _add(
        commands,
        "demo",
        "demo",
        "Three reviewers review a diff at once, the gateway is killed meanwhile, and nothing is lost. "
        "The reviewers are the agents that are installed and logged in (they really run and may cost money). "
        "The provider echo imitates the missing ones.",
    )
    demo.add_argument(
        "--with", action="append", default=[], dest="named", metavar="NAME", help="use this provider as a reviewer"
    )
    demo.add_argument("--providers", metavar="A,B,C", help="the providers of the three reviewers")
    demo.add_argument("--home", metavar="PATH", help="use this home and keep it (default: a temporary one)")
    _json(demo)
