"""Looking at a run that prints faster than anybody reads: how long each call takes, and how fast Claude's events are read."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from llm_gateway import EndReason, RunEnd
from llm_gateway_provider_claude.output import ClaudeReader
from tests.bench.report import Report
from tests.bench.world import QUICK, World

AMOUNT = 5_000_000 if QUICK else 100_000_000
_PIECE = 64 * 1024
_SESSION = "0b5c2c1e-1f6e-4f2b-9a53-0d6f6d4f7a11"


def measure(world: World, report: Report) -> None:
    """A flood of events by an imitation of Claude Code, looked at all the time; then the reader alone."""
    script = world.root / "claude"
    few, many = _events(world.root / "few", 10_000), _events(world.root / "events", AMOUNT)
    script.write_text(f"#!/bin/sh\ngrep -q flood && exec cat {many}\nexec cat {few}\n")
    script.chmod(0o700)
    world.environ["LLM_GATEWAY_PROVIDERS_CLAUDE_EXECUTABLE"] = str(script)
    with world.serve() as client:
        client.begin()
        client.call("claude_request", {"prompt": "a few", "workingDir": world.place})  # what is imported once, is
        started, _ = client.call("claude_request_async", {"prompt": "flood", "workingDir": world.place})
        job = {"jobId": started["job"]["id"]}
        looks = {
            "llm_job_status": job,
            "llm_job_result": job,
            "llm_process_health": {},
            "llm_job_list": {},
            "llm_job_wait": {"jobIds": [job["jobId"]], "timeoutMs": 0},
        }
        worst, unread, began = dict.fromkeys(looks, 0.0), 0, time.perf_counter()
        running = True
        while running:
            for name, arguments in looks.items():
                answer, took = client.call(name, arguments)
                worst[name] = max(worst[name], took)
                if name == "llm_job_status":
                    running = answer["job"]["status"] == "running"
                    unread = max(unread, answer["unreadBytes"])
        concluded = time.perf_counter() - began
    amount = f"{AMOUNT // 1_000_000} MB of Claude's events"
    for name, took in worst.items():
        report.add(f"{amount} at full speed: the slowest {name}", took * 1000, "ms", aim="≤ 250")
    report.add("... until the job is concluded", concluded, "s")
    report.add("... the most that a status call left unread", unread / 1e6, "MB")
    report.add("Claude's events, read by the reader alone", throughput(world.root / "events"), "MB/s", aim="≥ 25")


def throughput(events: Path) -> float:
    """Megabytes that the reader takes in a second; the best of three."""
    data, best = events.read_bytes(), 0.0
    for _ in range(3):
        reader, began = ClaudeReader(), time.perf_counter()
        for offset in range(0, len(data), _PIECE):
            for _event in reader.feed("stdout", data[offset : offset + _PIECE]):
                pass
        summary = reader.finish(RunEnd(reason=EndReason.EXITED, exit_code=0, ended_at=datetime.now(timezone.utc)))
        assert summary.text == "done"
        best = max(best, len(data) / 1e6 / (time.perf_counter() - began))
    return best


def _events(path: Path, amount: int) -> Path:
    """Events as a working Claude Code prints them: what it says, the tools it uses, and what those answered."""
    said = "I have looked at the module and will now change the two places that read the file without a limit. " * 3
    answered = "\n".join(f"{number:6}\tdef function_{number}(argument: str) -> None:" for number in range(1, 60))
    with path.open("w") as file:
        file.write(_line("system", subtype="init", model="claude-x", tools=["Bash"] * 40, mcp_servers=[]))
        written = number = 0
        while written < amount:
            number += 1
            usage = {"input_tokens": 4, "cache_read_input_tokens": 21_000, "output_tokens": 120}
            head = {
                "id": f"msg_{number:024}",
                "type": "message",
                "role": "assistant",
                "model": "claude-x",
                "usage": usage,
            }
            use = {"type": "tool_use", "id": f"toolu_{number:024}", "name": "Read", "input": {"file_path": "/src/a.py"}}
            result = {"type": "tool_result", "tool_use_id": use["id"], "content": answered}
            file_facts = {"type": "text", "file": {"filePath": "/src/a.py", "content": answered, "numLines": 59}}
            lines = (
                _line(
                    "assistant", message={**head, "content": [{"type": "text", "text": said}]}, parent_tool_use_id=None
                ),
                _line("assistant", message={**head, "content": [use]}, parent_tool_use_id=None),
                _line("user", message={"role": "user", "content": [result]}, tool_use_result=file_facts),
            )
            written += sum(file.write(line) for line in lines)
        file.write(_line("result", subtype="success", is_error=False, result="done", num_turns=number))
    return path


def _line(kind: str, **rest: Any) -> str:
    return json.dumps({"type": kind, **rest, "session_id": _SESSION, "uuid": _SESSION}, separators=(",", ":")) + "\n"
