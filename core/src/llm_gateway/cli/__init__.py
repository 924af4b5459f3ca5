"""The `llm-gateway` command. Modules are imported when they are used, so that `--version` starts almost as fast as Python."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from llm_gateway.cli.exits import Exit
from llm_gateway.cli.streams import Streams

TYPE_CHECKING = False  # without importing `typing`: the first answer of `serve` waits for this module
if TYPE_CHECKING:
    from argparse import Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit code."""
    streams = Streams()
    try:
        return streams.end(_run(sys.argv[1:] if argv is None else list(argv), streams))
    except SystemExit as exit_:  # raised by argparse for `--help` and wrong usage
        if isinstance(exit_.code, int) or exit_.code is None:
            raise SystemExit(streams.end(exit_.code or 0)) from None
        raise


def _run(argv: list[str], streams: Streams) -> int:
    try:
        if argv[:1] == ["serve"] and _start_handshake_cache(argv[1:]):
            return Exit.OK
        from llm_gateway.cli.parser import FRAME, build_parser

        word = argv[0] if argv else "--help"
        if word in FRAME or (word.startswith("-") and word not in ("-h", "--help")):
            return _run_own(build_parser().parse_args(argv))
        from llm_gateway.cli.installed import InstalledCommands
        from llm_gateway.cli.plugin_commands import parser_for, run

        installed = InstalledCommands(os.environ)
        return run(parser_for(word, installed).parse_args(argv), installed)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:
        if streams.broken:
            return Exit.FAILED
        from llm_gateway.cli.failures import explain

        explanation = explain(error)
        if explanation is None:
            raise
        print(explanation.text, file=sys.stderr)
        return explanation.code


def _run_own(arguments: Namespace) -> int:
    """Run a command of the kernel."""
    gc.disable()  # imports create many objects and free few: garbage collection would cost 10 % of the start time
    try:
        module = import_module(f"llm_gateway.cli.{arguments.module}")
    finally:
        gc.enable()
    return int(module.run(arguments))


def main_serve() -> int:
    """Run `llm-gateway serve` with the arguments of this process: the command `llm-gateway-mcp`."""
    return main(["serve", *sys.argv[1:]])


def _start_handshake_cache(arguments: Sequence[str]) -> bool:
    """Start the handshake cache of the transport, if it has one. It serves the client until a gateway is needed.

    Returns whether the client has left. With other arguments than `--transport NAME`, the cache is not used.
    """
    name = ""
    if not arguments:
        name = "mcp"
    elif len(arguments) == 2 and arguments[0] == "--transport":
        name = arguments[1]
    if name.isidentifier():
        with suppress(ImportError):
            return bool(import_module(f"llm_gateway_transport_{name}.handshake_cache").start(os.environ))
    return False
