"""`llm-gateway review`: for terminals, git hooks and CI. The exit code is the verdict."""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import nullcontext
from typing import Any

import anyio
from anyio import to_thread

from llm_gateway import (
    CallContext,
    Exit,
    Gateway,
    check,
    display,
    escaped_json,
    for_stream,
    look_at_provider,
    piped_text,
    without_controls,
)
from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_review.evidence import NOTHING
from llm_gateway_extension_review.state import APPROVED, NO_QUORUM, WITH_CONDITIONS, Run

APPROVES, REFUSES, UNDECIDED = Exit.OK, Exit.FAILED, Exit.NO_VERDICT
_REFRESH_S = 0.2
_MOST_DEFAULT = 3
LIST = "list"  #: in the position of a range; a branch with this name can be passed as refs/heads/list
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def arguments_of(given: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of the operation in their wire form. Raises InvalidRequest."""
    if not given.fix_with and (given.rounds is not None or given.posture):
        raise InvalidRequest("--rounds and --posture can only be used with --fix-with")
    known = {
        "providers": [reviewer.strip() for reviewer in given.reviewers.split(",") if reviewer.strip()],
        "range": given.range,
        "uncommitted": given.uncommitted or None,
        "files": given.files,
        "instructions": given.instructions,
        "quorum": given.quorum,
        "timeoutMs": _milliseconds(given.timeout) if given.timeout else None,
        "workingDir": given.dir,
        "implementer": given.fix_with,
        "maxRounds": given.rounds,
        "posture": given.posture,
    }
    if piped := piped_text():
        if known["range"] or known["uncommitted"] or known["files"]:
            known["instructions"] = "\n\n".join(filter(None, (given.instructions, piped)))
        else:
            known["text"] = piped
    return {name: value for name, value in known.items() if value is not None}


async def work(gateway: Gateway, given: argparse.Namespace) -> int:
    """Review, print the result, and return the exit code."""
    from llm_gateway_extension_review.listing import chosen_id
    from llm_gateway_extension_review.operations import ReviewParams, UntilParams, begin_review, tell
    from llm_gateway_extension_review.reviews import reviews_of

    quiet = CallContext()
    if given.range == LIST and not given.reviewers:
        if given.format not in ("text", "json"):
            raise InvalidRequest(f"--format {given.format}: a list can be text or json")
        return await show_list(gateway, limit=given.limit, as_json=given.format == "json")
    if given.limit is not None:
        raise InvalidRequest("--limit can only be used with: llm-gateway review list")
    if given.cancel and not given.id:
        raise InvalidRequest("--cancel: name the review with --id rv-…")
    if given.id:
        reviews = reviews_of(gateway)
        review_id = await to_thread.run_sync(chosen_id, reviews.folder, quiet.principal, given.id)
        run = await (reviews.cancel if given.cancel else reviews.known)(review_id, quiet)
    else:
        if not given.reviewers:
            given.reviewers = ",".join(await ready_reviewers(gateway, besides=given.fix_with))
            _say(f"reviewers: {given.reviewers}")
        params = check(UntilParams if given.fix_with else ReviewParams, arguments_of(given))
        try:
            run = await begin_review(gateway, params, quiet)
        except InvalidRequest as error:
            if not error.message.startswith(NOTHING):
                raise
            _say(error.message)
            return APPROVES
    try:
        run = await _watch(gateway, run)
    except anyio.get_cancelled_exc_class():
        _say(
            "\ndetached; the jobs continue, and another gateway of this home resumes the review. "
            f"To wait for it: llm-gateway review --id {run.id}"
        )
        raise
    result = await tell(gateway, run, given.format)
    _print(result.report or result.model_dump_json(by_alias=True, exclude_none=True, indent=2), given.format)
    return exit_code(run, strict=given.strict)


async def ready_reviewers(gateway: Gateway, *, besides: str | None) -> list[str]:
    """Return the agents that are installed and logged in, at most three. Raises InvalidRequest if there is none.

    :param besides: the implementer, which does not review its own work unless it is the only agent.
    """
    infos = list(gateway.providers.values())
    reports = [await look_at_provider(info, gateway.settings, gateway.environ) for info in infos]
    ready = [report["name"] for report in reports if report["installed"] and report["login"] == "yes"]
    implementer = (besides or "").partition(":")[0]
    chosen = [name for name in ready if name != implementer] or ready
    if not chosen:
        raise InvalidRequest(
            "no agent is known to be installed and logged in; name the reviewers, such as --with codex,gemini",
            recovery="llm-gateway doctor says how to install agents and log in.",
        )
    return chosen[:_MOST_DEFAULT]


def exit_code(run: Run, *, strict: bool) -> int:
    """Return OK: approved, FAILED: not approved, or NO_VERDICT: too few reviewers gave a valid verdict."""
    if run.status != "completed":
        return UNDECIDED if run.verdict == NO_QUORUM else REFUSES
    if run.verdict == APPROVED or (run.verdict == WITH_CONDITIONS and not strict):
        return APPROVES
    return APPROVES if run.verdict is None else UNDECIDED if run.verdict == NO_QUORUM else REFUSES


async def show_list(gateway: Gateway, *, limit: int | None, as_json: bool, wide: bool = False) -> int:
    """Print the user's reviews.

    :param limit: how many at most; None: as many as the operation returns.
    """
    from llm_gateway_extension_review.listing import show_table
    from llm_gateway_extension_review.operations import ListParams, list_reviews

    found = await list_reviews(gateway, check(ListParams, {} if limit is None else {"limit": limit}), CallContext())
    if as_json:
        _print(found.model_dump_json(by_alias=True, exclude_none=True, indent=2), "json")
    elif not found.reviews:
        _print("no reviews", "list")
    else:
        show_table(found.reviews, wide=wide)
    return Exit.OK


async def _watch(gateway: Gateway, run: Run) -> Run:
    """Wait for the end, and print the progress."""
    from rich.live import Live

    from llm_gateway_extension_review.reviews import reviews_of
    from llm_gateway_extension_review.screen import Screen

    if run.ended:
        return run
    reviews, screen = reviews_of(gateway), Screen()
    context = CallContext(progress=screen.heard)
    screen.open(run)
    shown = Live(console=screen.console, auto_refresh=False, transient=True) if screen.moves else None
    with shown or nullcontext():
        async with anyio.create_task_group() as tasks:

            async def show() -> None:
                while True:
                    await screen.live(gateway, await reviews.known(run.id, context), shown)
                    await anyio.sleep(_REFRESH_S)

            tasks.start_soon(show)
            done = await reviews.follow(run.id, context, None)
            tasks.cancel_scope.cancel()
    screen.close(done)
    return done


def _milliseconds(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise InvalidRequest(f"--timeout: {text} is not a time; write 90, 90s, 10m or 2h")
    return max(1, round(float(found[1]) * _UNITS[found[2]] * 1000))


def _print(words: str, form: str) -> None:
    if form in ("json", "sarif"):
        words = escaped_json(words)
    elif form == "github":  # workflow commands must stay unchanged; texts of agents are already encoded in them
        words = without_controls(words) if sys.stdout.isatty() else words
    else:
        words = for_stream(words, sys.stdout)
    if form != "text" or not sys.stdout.isatty():
        known = sys.stdout.encoding or "utf-8"
        print(words.encode(known, "replace").decode(known), file=display(sys.stdout), flush=True)
        return
    from rich.console import Console

    from llm_gateway_extension_review.screen import show

    show(words, Console(file=display(sys.stdout), highlight=False))


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
