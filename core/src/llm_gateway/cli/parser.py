"""The command line: every subcommand and option. Says which module runs it, and imports none of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import llm_gateway

if TYPE_CHECKING:
    from llm_gateway import Command

_EXITS = "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 not finished yet, 130 interrupted (jobs go on)."
_STATES = ("queued", "running", "completed", "failed", "canceled", "interrupted")
_POSTURES = ("read_only", "plan", "prompted", "accept_edits", "workspace_write", "bypass")

Subparsers = argparse._SubParsersAction  # argparse has no public name for what add_subparsers gives


def build_parser(more: Sequence[Command] = ()) -> argparse.ArgumentParser:
    """Build the whole command line, with the commands that plugins bring."""
    parser = argparse.ArgumentParser(
        prog="llm-gateway",
        description="Lets one assistant put other coding agents to work, and loses nothing.",
        epilog=_EXITS,
    )
    parser.add_argument("--version", action="version", version=f"llm-gateway {llm_gateway.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _serve(commands)
    _ask(commands)
    _jobs(commands)
    _sessions(commands)
    _cache(commands)
    _looks(commands)
    _demo(commands)
    for one in more:
        command = _add(commands, one.name, "plugin_commands", one.help)
        command.set_defaults(command=one)
        one.options(command)
    return parser


def knows(parser: argparse.ArgumentParser, command: str) -> bool:
    """Whether it has this command."""
    return command in known(parser)


def known(parser: argparse.ArgumentParser) -> set[str]:
    """The commands that it has."""
    return {name for action in parser._actions if isinstance(action, Subparsers) for name in action.choices}


def _add(commands: Subparsers[argparse.ArgumentParser], name: str, module: str, what: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what[:1].lower() + what[1:].rstrip("."), description=what, epilog=_EXITS)
    parser.set_defaults(module=module)
    return parser


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _serve(commands: Subparsers[argparse.ArgumentParser]) -> None:
    serve = _add(commands, "serve", "serve", "Serve a client: MCP over stdin and stdout. The log goes to stderr.")
    serve.add_argument("--transport", default="mcp", metavar="NAME", help="the transport plugin (default: mcp)")
    serve.add_argument(
        "--prime", action="store_true", help="serve nobody: only prepare the next start, so that it is quick"
    )


def _ask(commands: Subparsers[argparse.ArgumentParser]) -> None:
    ask = _add(commands, "ask", "ask", "Ask a provider and wait for the answer. Ctrl-C detaches: the job goes on.")
    ask.add_argument("provider", metavar="PROVIDER")
    ask.add_argument("prompt", metavar="PROMPT", help="the words; - reads them from stdin")
    ask.add_argument("--model", metavar="NAME", help="leave out: the provider's own default")
    ask.add_argument("--posture", choices=_POSTURES, help="what the run may do on its own")
    which = ask.add_mutually_exclusive_group()
    which.add_argument("--session", metavar="ID", help="continue this conversation: gw-… or the provider's own id")
    which.add_argument(
        "--resume-latest", action="store_true", help="continue the newest conversation of this directory"
    )
    which.add_argument("--new", action="store_true", help="begin a new conversation, with a new run in any case")
    ask.add_argument("--dir", metavar="PATH", help="where the run happens (default: here)")
    ask.add_argument("--timeout", metavar="TIME", help="end the run after this time: 90, 90s, 10m, 2h")
    ask.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of the request, such as addDirs='[\"/tmp\"]'; JSON, or a word as it stands",
    )
    ask.add_argument("--trace", action="store_true", help="print every hook call and its time to stderr")
    ask.add_argument("--async", action="store_true", dest="detach", help="start the job, print its id, do not wait")
    _json(ask)


def _jobs(commands: Subparsers[argparse.ArgumentParser]) -> None:
    jobs = commands.add_parser("jobs", help="look at jobs, wait for them, end them", epilog=_EXITS)
    verbs = jobs.add_subparsers(metavar="VERB", required=True)

    def add(name: str, what: str, *, ids: str | None = None) -> argparse.ArgumentParser:
        parser = _add(verbs, name, "jobs", what)
        parser.set_defaults(verb=name)
        if ids is not None:
            parser.add_argument("job", metavar="ID", nargs=ids or None)
        return parser

    listed = add("list", "List jobs, newest first.")
    listed.add_argument("--status", choices=_STATES)
    listed.add_argument("--provider", metavar="NAME")
    listed.add_argument("--limit", type=int, default=50, metavar="N")
    shown = add("show", "Show how a job stands.", ids="")
    add("tail", "Follow what a job does, then print its reply. Ctrl-C detaches.", ids="")
    waited = add("wait", "Wait for jobs. 0: all completed; 1: one did not; 3: the time is over.", ids="+")
    waited.add_argument("--any", action="store_true", help="return when the first one has ended")
    waited.add_argument("--timeout", metavar="TIME", help="wait no longer: 90, 90s, 10m (default: as long as it takes)")
    canceled = add("cancel", "End a job and everything it started. What it wrote stays.", ids="")
    result = add("result", "Print a job's reply, or what its program printed.", ids="")
    form = result.add_mutually_exclusive_group()
    form.add_argument("--raw", choices=("stdout", "stderr"), help="the program's own output, byte for byte")
    for parser in (listed, shown, waited, canceled):
        _json(parser)
    form.add_argument("--json", action="store_true", help="print JSON, for programs")


def _sessions(commands: Subparsers[argparse.ArgumentParser]) -> None:
    sessions = commands.add_parser("sessions", help="look at conversations, choose one, forget them", epilog=_EXITS)
    verbs = sessions.add_subparsers(metavar="VERB", required=True)

    def add(name: str, what: str, *, ids: str | None = None) -> argparse.ArgumentParser:
        parser = _add(verbs, name, "sessions", what)
        parser.set_defaults(verb=name)
        if ids is not None:
            parser.add_argument("session", metavar="ID", nargs=ids or None)
        if name != "show":
            parser.add_argument("--provider", metavar="NAME")
        _json(parser)
        return parser

    add("list", "List sessions, last used first.").add_argument("--limit", type=int, default=50, metavar="N")
    add("show", "Show a session and its newest turns.", ids="")
    use = add("use", "Continue this session (or none) where requests here name no other.", ids="")
    use.add_argument("--dir", metavar="PATH", help="in this directory (default: here)")
    delete = add("delete", "Forget sessions; the provider's own files stay. 3: one is in use.", ids="*")
    delete.add_argument("--all", action="store_true", help="all of them, or all of --provider")


def _cache(commands: Subparsers[argparse.ArgumentParser]) -> None:
    cache = _add(commands, "cache", "cache", "Show how well prompt caches are used, and what was saved and wasted.")
    cache.set_defaults(verb="show")
    cache.add_argument("--days", type=int, default=30, metavar="N", help="how far to look back (30); 1: by the hour")
    _json(cache)
    explain = _add(cache.add_subparsers(metavar="VERB"), "explain", "cache", "Explain a conversation turn by turn.")
    explain.set_defaults(verb="explain")
    explain.add_argument("session", metavar="SESSION", help="gw-… or the provider's own id")
    _json(explain)


def _looks(commands: Subparsers[argparse.ArgumentParser]) -> None:
    _json(_add(commands, "plugins", "plugins", "List every installed plugin, and what is wrong with it."))
    verbs = commands.add_parser("plugin", help="begin a plugin of your own", epilog=_EXITS).add_subparsers(
        metavar="VERB", required=True
    )
    new = _add(verbs, "new", "plugin_new", "Write a distribution that passes its tests as it is, to begin from.")
    new.add_argument("kind", metavar="KIND", help="provider, policy, store, engine, transport or extension")
    new.add_argument("name", metavar="NAME", help="small letters, digits and _")
    new.add_argument("--into", metavar="DIR", help="an empty folder (default: one named after the distribution)")
    _json(_add(commands, "doctor", "doctor", "Look whether everything is in order. 1: something is broken."))
    _json(_add(commands, "config", "config", "Show every setting, its value and where that came from."))


def _demo(commands: Subparsers[argparse.ArgumentParser]) -> None:
    demo = _add(
        commands,
        "demo",
        "demo",
        "Three reviewers look at a diff at once; the gateway is killed in the middle, and nothing is lost. "
        "Reviewers are the agents that are installed and logged in (they run for real and may cost money), "
        "and imitations (echo) for the rest.",
    )
    demo.add_argument(
        "--with", action="append", default=[], dest="named", metavar="NAME", help="make this provider a reviewer"
    )
    demo.add_argument("--providers", metavar="A,B,C", help="the three reviewers")
    demo.add_argument("--home", metavar="PATH", help="use this home and keep it (default: a temporary one)")
    _json(demo)
