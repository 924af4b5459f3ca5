"""The `llm-gateway` command. Each part is imported when it is used: `--version` costs little more than the interpreter."""

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
    """Run the command; the exit code."""
    streams = Streams()
    try:
        return streams.end(_run(sys.argv[1:] if argv is None else list(argv), streams))
    except SystemExit as end:  # argparse's, for `--help` and wrong usage
        if isinstance(end.code, int) or end.code is None:
            raise SystemExit(streams.end(end.code or 0)) from None
        raise


def _run(words: list[str], streams: Streams) -> int:
    try:
        if words[:1] == ["serve"]:
            _start_handshake_cache(words[1:])
        from llm_gateway.cli.parser import build_parser, knows

        parser = build_parser()
        if words[:1] in (["-h"], ["--help"]) or (words and words[0][:1] != "-" and not knows(parser, words[0])):
            parser = build_parser(import_module("llm_gateway.cli.plugin_commands").commands(parser))
        arguments = parser.parse_args(words)
        gc.disable()  # imports make much and drop little: looking through it again and again costs a tenth of the start
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
        from llm_gateway.terminal import for_stream

        told = explain(error)
        if told is None:
            raise
        print(for_stream(told.text, sys.stderr), file=sys.stderr)
        return told.code


def main_serve() -> int:
    """Run `llm-gateway serve` with the arguments of this process: the command `llm-gateway-mcp`."""
    return main(["serve", *sys.argv[1:]])


def _start_handshake_cache(words: Sequence[str]) -> None:
    """Start the handshake cache of the transport, if it has one, so that it answers while the rest is imported. Other calls do without."""
    name = "mcp" if not words else words[1] if len(words) == 2 and words[0] == "--transport" else ""
    if name.isidentifier():
        with suppress(ImportError):
            import_module(f"llm_gateway_transport_{name}.handshake_cache").start(os.environ)
