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
        if argv[:1] == ["serve"]:
            _start_handshake_cache(argv[1:])
        from llm_gateway.cli.parser import build_parser, has_command

        parser = build_parser()
        asks_for_help = argv[:1] in (["-h"], ["--help"])
        is_plugin_command = bool(argv) and not argv[0].startswith("-") and not has_command(parser, argv[0])
        if asks_for_help or is_plugin_command:
            parser = build_parser(import_module("llm_gateway.cli.plugin_commands").commands(parser))
        arguments = parser.parse_args(argv)
        gc.disable()  # imports create many objects and free few: garbage collection would cost 10 % of the start time
        try:
            module = import_module(f"llm_gateway.cli.{arguments.module}")
        finally:
            gc.enable()
        return int(module.run(arguments))
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


def main_serve() -> int:
    """Run `llm-gateway serve` with the arguments of this process: the command `llm-gateway-mcp`."""
    return main(["serve", *sys.argv[1:]])


def _start_handshake_cache(arguments: Sequence[str]) -> None:
    """Start the handshake cache of the transport, if it has one. It answers the client while the other modules are imported.

    With other arguments than `--transport NAME`, the cache is not used.
    """
    name = ""
    if not arguments:
        name = "mcp"
    elif len(arguments) == 2 and arguments[0] == "--transport":
        name = arguments[1]
    if name.isidentifier():
        with suppress(ImportError):
            import_module(f"llm_gateway_transport_{name}.handshake_cache").start(os.environ)
