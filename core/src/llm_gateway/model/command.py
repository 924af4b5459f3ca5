"""A subcommand of `llm-gateway`. Every start of the command imports this module, so it imports nothing: `dataclasses` takes 15 ms."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Awaitable, Callable, Sequence

    from llm_gateway.model.gateway_api import GatewayApi
    from llm_gateway.model.store import OpenReader


def _no_options(parser: ArgumentParser) -> None:
    """Add nothing."""


class Command:
    """A subcommand of `llm-gateway`. Set exactly one of `run` and `work`; both return the exit code."""

    __slots__ = ("examples", "help", "name", "options", "quick", "run", "work")

    name: str  #: the word after `llm-gateway`
    help: str  #: one sentence
    options: Callable[[ArgumentParser], None]  #: adds options to its parser; default: none
    examples: Sequence[str]  #: command lines that `--help` shows, each beginning with `llm-gateway`; default: none

    run: Callable[[Namespace], int] | None  #: run(parsed arguments), without a gateway
    work: Callable[[GatewayApi, Namespace], Awaitable[int]] | None  #: gets an open gateway; a signal cancels it
    #: Called before `work`: quick(open_reader, parsed arguments) -> exit code, or None if `work` must do it. `open_reader()`
    #: gives the store for reading, without plugins, settings models and event loop; None: `work` must do it.
    quick: Callable[[OpenReader, Namespace], int | None] | None

    def __init__(
        self,
        *,
        name: str,
        help: str,  # noqa: A002
        options: Callable[[ArgumentParser], None] = _no_options,
        examples: Sequence[str] = (),
        run: Callable[[Namespace], int] | None = None,
        work: Callable[[GatewayApi, Namespace], Awaitable[int]] | None = None,
        quick: Callable[[OpenReader, Namespace], int | None] | None = None,
    ) -> None:
        self.name = name
        self.help = help
        self.options = options
        self.examples = examples
        self.run = run
        self.work = work
        self.quick = quick
