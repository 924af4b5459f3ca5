"""The commands `jobs` and `sessions`: their options. Every start of the command may import this; it imports the work on use."""

from __future__ import annotations

from llm_gateway import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from llm_gateway import Gateway, OpenReader

_STATES = ("queued", "running", "completed", "failed", "canceled", "interrupted")


def _json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def _verb_adder(command: ArgumentParser, id_name: str) -> Callable[..., ArgumentParser]:
    """Return a function that adds a verb: add(name, text, ids="" for one id, "+" or "*" for several; left out: none)."""
    verbs = command.add_subparsers(metavar="VERB", required=True)

    def add(name: str, text: str, *, ids: str | None = None) -> ArgumentParser:
        short = text[:1].lower() + text[1:].rstrip(".")
        parser = verbs.add_parser(
            name, help=short, description=text, epilog=command.epilog, formatter_class=command.formatter_class
        )
        parser.set_defaults(verb=name)
        if ids is not None:
            parser.add_argument(id_name, metavar="ID", nargs=ids or None)
        return parser

    return add


def _jobs_options(jobs: ArgumentParser) -> None:
    add = _verb_adder(jobs, "job")

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


def _sessions_options(sessions: ArgumentParser) -> None:
    add = _verb_adder(sessions, "session")
    listed = add("list", "List sessions, the last used first.")
    shown = add("show", "Show a session and its newest turns.", ids="")
    use = add(
        "use",
        "Make a session the active one of a directory: requests without a session continue it. ID none: no session.",
        ids="",
    )
    delete = add(
        "delete", "Delete sessions. The files of the provider are kept. Exit code 3: a session is in use.", ids="*"
    )
    for parser in (listed, use, delete):
        parser.add_argument("--provider", metavar="NAME")
    for parser in (listed, shown, use, delete):
        _json(parser)
    listed.add_argument("--limit", type=int, default=50, metavar="N")
    use.add_argument("--dir", metavar="PATH", help="the directory (default: the current one)")
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
    work=_jobs,
    quick=_list_quickly,
)
SESSIONS = Command(
    name="sessions",
    help="List conversations, choose the active one, delete them.",
    options=_sessions_options,
    work=_sessions,
)
