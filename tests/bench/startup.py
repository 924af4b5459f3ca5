"""How long a client waits for its first answers, and how long these are."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

from tests.bench.memory import resident
from tests.bench.report import Report
from tests.bench.world import World, times


def measure(world: World, report: Report) -> None:
    """From starting the process to its answers."""
    first, answers, lists, imports, bares, memory = [], [], [], [], [], []
    listing: dict[str, list[dict[str, Any]]] = {"tools": []}
    for _ in range(times(20)):
        world.manifest.unlink(missing_ok=True)
        began = time.perf_counter()
        with world.serve() as client:
            client.begin()
            first.append(time.perf_counter() - began)
        world.warm()
        began = time.perf_counter()
        with world.serve() as client:
            client.begin()
            answered = time.perf_counter()
            memory.append(resident(client.pid))
            listing, size, _ = client.ask_raw("tools/list")
            listed = time.perf_counter()
        answers.append(answered - began)
        lists.append(listed - began)
        bares.append(_python("pass", world))
        imports.append(_python("import mcp.server.lowlevel", world))
    plain = median(bares) * 1000
    report.add(
        "start to the `initialize` answer", median(answers) * 1000, "ms", bare=plain, aim="≤ 60", reference="875"
    )
    report.add("the first start after an install, which has no manifest yet", median(first) * 1000, "ms", bare=plain)
    report.add("memory when it has answered `initialize`", median(memory), "MB", aim="≤ 15")
    report.add("start to the `tools/list` answer", median(lists) * 1000, "ms", bare=plain)
    report.add(
        "for comparison: Python that imports the MCP SDK's server, and nothing else",
        median(imports) * 1000,
        "ms",
        bare=plain,
    )
    report.add("`tools/list`, whole frame", size / 1000, "kB", reference="191")
    providers = {
        tool["name"].removesuffix("_request_async")
        for tool in listing["tools"]
        if tool["name"].endswith("_request_async")
    }
    for provider in sorted(providers):
        own = [tool for tool in listing["tools"] if tool["name"].startswith(f"{provider}_request")]
        size = len(json.dumps(own, separators=(",", ":"), ensure_ascii=False).encode())
        report.add(f"`tools/list`, the tools of {provider}", size / 1000, "kB", aim="< 8")


def _python(words: str, world: World) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", words], env=world.environ, cwd=world.place, check=True)
    return time.perf_counter() - began
