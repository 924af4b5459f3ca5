"""A program: the fork server, whose shims write down when each of their steps began and ended. See waterfall.py.

python -I -S traced_fork_server.py FOLDER_OF_THE_ENGINE FOLDER_OF_TRACES fork_server DESCRIPTOR
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from functools import wraps
from typing import Any

#: module, owner, function -> what it does
STEPS = {
    ("shim.shim", "", "_take_lock"): "shim: take the lock",
    ("spool.output", "Output", "__init__"): "shim: open the output's files",
    ("shim.shim", "_Shim", "_release_agent"): "shim: state.json, written and synced",
    ("shim.shim", "_Shim", "_supervise"): "the agent runs",
    ("spool.output", "Output", "finish"): "shim: sync the output",
    ("spool.folder", "Folder", "write_json"): "shim: exit.json, written and synced",
}
Spans = list[tuple[str, float, float]]


def timed(name: str, function: Any, spans: Spans) -> Any:
    """A function that notes when it began and ended."""

    @wraps(function)
    def around(*arguments: Any, **named: Any) -> Any:
        began = time.monotonic()
        try:
            return function(*arguments, **named)
        finally:
            spans.append((name, began, time.monotonic()))

    return around


def main(engine: str, traces: str, mode: str, descriptor: int, *folders: str) -> None:
    """Serve as the fork server does."""
    sys.path += [engine, *folders]
    shim, fork_server = (
        importlib.import_module(f"llm_gateway_engine_local.shim.{name}") for name in ("shim", "fork_server")
    )
    spans: Spans = []
    for (module, owner, function), name in STEPS.items():
        place: Any = importlib.import_module(f"llm_gateway_engine_local.{module}")
        place = getattr(place, owner) if owner else place
        setattr(place, function, timed(name, getattr(place, function), spans))
    run_shim = shim.run_shim

    def run_traced(message: dict[str, Any], status_fd: int) -> None:
        began = time.monotonic()
        ended = os.dup(status_fd)  # the gateway waits until the trace is written
        run_shim(message, status_fd)
        spans.append(("shim", began, time.monotonic()))
        # Of what is done more than once, as writing a file, the last counts.
        with open(os.path.join(traces, os.path.basename(message["folder"])), "w") as file:
            json.dump(spans, file)
        os.close(ended)

    shim.run_shim = run_traced
    fork_server.main(mode, descriptor)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
