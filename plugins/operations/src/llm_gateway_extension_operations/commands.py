"""The commands `jobs` and `sessions`: their options. Every start of the command may import this; it imports the work on use."""

from __future__ import annotations

import argparse

from llm_gateway import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from llm_gateway import Gateway, OpenReader

_STATES = ("queued", "running", "completed", "failed", "canceled", "interrupted")


_JOBS_EXAMPLES = (
    "llm-gateway jobs",
    "llm-gateway jobs list --status running --wide",
    "llm-gateway jobs tail last",
    "llm-gateway jobs result job-1a22bf7",
    "llm-gateway jobs wait last --timeout 10m",
)
_SESSIONS_EXAMPLES = (
    "llm-gateway sessions",
    "llm-gateway sessions show last",
    "llm-gateway sessions use gw-419d01b1",
    "llm-gateway sessions delete --all --provider codex",
)
_JOB = "a job's id, the beginning of one, or last"
_SESSION = "a session's id, the beginning of one (gw-…), the provider's session id, or last"


def _json(parser: ArgumentParser, **default: Any) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs", **default)


class _Verbs:
    """Adds verbs to a command that lists without a verb. Their options override those of the list."""

    def __init__(self, command: ArgumentParser, id_name: str, id_help: str) -> None:
        command.set_defaults(verb="list")
        self._verbs = command.add_subparsers(metavar="VERB")
        self._command = command
        self._id = id_name, id_help

    def add(self, name: str, text: str, *, ids: str | None = None) -> ArgumentParser:
        """Add a verb.

        :param ids: "" for one id, "+" or "*" for several; None: it has none.
        """
        short = text[:1].lower() + text[1:].rstrip(".")
        parser = self._verbs.add_parser(
            name,
            help=short,
            description=text,
            epilog=self._command.epilog,
            formatter_class=self._command.formatter_class,
        )
        parser.set_defaults(verb=name)
        if ids is not None:
            parser.add_argument(self._id[0], metavar="ID", nargs=ids or None, help=self._id[1])
        return parser


def _list_options(command: ArgumentParser, listed: ArgumentParser) -> None:
    """Add the options of the list to the command itself and to its verb `list`, whose defaults are those of the command."""
    both: tuple[tuple[ArgumentParser, dict[str, Any]], ...] = (
        (command, {}),
        (listed, {"default": argparse.SUPPRESS}),
    )
    for parser, default in both:
        parser.add_argument("--provider", metavar="NAME", help="only those of this provider", **default)
        count = default or {"default": 50}
        parser.add_argument("-n", "--limit", type=int, metavar="N", help="how many at most (default: 50)", **count)
        parser.add_argument(
            "-w", "--wide", action="store_true", help="whole ids, all columns, lines of any length", **default
        )
        _json(parser, **default)


def _jobs_options(jobs: ArgumentParser) -> None:
    add = _Verbs(jobs, "job", _JOB).add

    listed = add("list", "List jobs, newest first.")
    jobs.add_argument("--status", choices=_STATES, metavar="STATE", help="only jobs in this state")
    listed.add_argument(
        "--status", choices=_STATES, metavar="STATE", help=f"one of {', '.join(_STATES)}", default=argparse.SUPPRESS
    )
    _list_options(jobs, listed)
    shown = add("show", "Show the status of a job.", ids="")
    add("tail", "Follow a job, then print its reply. Ctrl-C detaches: the job continues.", ids="")
    waited = add("wait", "Wait for jobs. Exit code 0: all completed; 1: one failed; 3: the time is over.", ids="+")
    waited.add_argument("--any", action="store_true", help="return when the first job has ended")
    waited.add_argument("-t", "--timeout", metavar="TIME", help="how long to wait: 90, 90s, 10m (default: no limit)")
    canceled = add("cancel", "Cancel a job and stop all its processes. Its output is kept.", ids="")
    result = add("result", "Print the reply of a job, or the output of its program.", ids="")
    form = result.add_mutually_exclusive_group()
    form.add_argument("--raw", choices=("stdout", "stderr"), help="the output of the program, unchanged")
    for parser in (shown, waited, canceled):
        _json(parser, default=argparse.SUPPRESS)
    form.add_argument("--json", action="store_true", help="print JSON for programs", default=argparse.SUPPRESS)


def _sessions_options(sessions: ArgumentParser) -> None:
    add = _Verbs(sessions, "session", _SESSION).add
    listed = add("list", "List sessions, the last used first.")
    _list_options(sessions, listed)
    shown = add("show", "Show a session and its newest turns.", ids="")
    use = add(
        "use",
        "Make a session the active one of a directory: requests without a session continue it. ID none: no session.",
        ids="",
    )
    delete = add(
        "delete", "Delete sessions. The files of the provider are kept. Exit code 3: a session is in use.", ids="*"
    )
    for parser in (use, delete):
        parser.add_argument(
            "--provider", metavar="NAME", default=argparse.SUPPRESS, help="the sessions of this provider"
        )
    for parser in (shown, use, delete):
        _json(parser, default=argparse.SUPPRESS)
    use.add_argument("-C", "--dir", metavar="PATH", help="the directory (default: the current one)")
    delete.add_argument("--all", action="store_true", help="delete all sessions, or all of --provider")


def _list_quickly(open_reader: OpenReader, options: Namespace) -> int | None:
    if options.verb != "list":
        return None
    from llm_gateway_extension_operations.cli.job_list import list_quickly

    return list_quickly(open_reader, options)


async def _jobs(gateway: Gateway, options: Namespace) -> int:
    from llm_gateway_extension_operations.cli.jobs import work

    return await work(gateway, options)


async def _sessions(gateway: Gateway, options: Namespace) -> int:
    from llm_gateway_extension_operations.cli.sessions import work

    return await work(gateway, options)


JOBS = Command(
    name="jobs",
    help="List jobs, wait for them, cancel them.",
    options=_jobs_options,
    examples=_JOBS_EXAMPLES,
    work=_jobs,
    quick=_list_quickly,
)
SESSIONS = Command(
    name="sessions",
    help="List conversations, choose the active one, delete them.",
    options=_sessions_options,
    examples=_SESSIONS_EXAMPLES,
    work=_sessions,
)
