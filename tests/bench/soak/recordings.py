"""The programs of all agents, played from the recordings that their providers are tested with."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
IMITATION = Path(__file__).with_name("imitation.py")

#: Of each provider: its samples, what `--version` says, the recordings of a first turn, of a turn that goes on and of one that
#: was told to slow down, and by a recording the JSON in which the reply's words stand.
PLAYS: dict[str, dict[str, Any]] = {
    "claude": {
        "samples": "2.1.330",
        "version": "2.1.330 (Claude Code)",
        "fresh": ("stream_json", '"hello world"'),
        "resumed": ("resume_model_sticky", '"b"'),
        "rate": ("fail_rate_stream", ""),
    },
    "codex": {
        "samples": "0.169.0",
        "version": "codex-cli 0.169.0",
        "fresh": ("json", '"hello json"'),
        "resumed": ("resume-id", '"second"'),
        "rate": ("fail-429", ""),
    },
    "gemini": {
        "samples": "0.61.0",
        "version": "0.61.0",
        "fresh": ("stream-json", '"there friend"'),
        "resumed": ("stream-json", '"there friend"'),
        "rate": ("rate429-stream-json", ""),
    },
    "grok": {
        "samples": "1.0.41",
        "version": "grok 1.0.41",
        "fresh": ("streaming-json", '"x"'),
        "resumed": ("resume-id-streaming", '"resumed"'),
        "rate": ("http429-streaming", ""),
    },
    "mistral": {
        "samples": "3.0.3",
        "version": "vibe 3.0.3",
        "fresh": ("output-dir", '"hello there"'),
        "resumed": ("session-resume", '"second answer"'),
        "rate": ("err-429", ""),
    },
}
EXECUTABLES = {"claude": "claude", "codex": "codex", "gemini": "gemini", "grok": "grok", "mistral": "vibe"}
_ID = re.compile(r'"(?:session_id|sessionId|thread_id)": ?"([0-9a-f-]{36})"')


def write_programs(folder: Path) -> dict[str, Path]:
    """Write one executable for each provider; where they are."""
    folder.mkdir()
    plays = {name: {"version": facts["version"], **_plays(name, facts)} for name, facts in PLAYS.items()}
    recordings = folder / "recordings.json"
    recordings.write_text(json.dumps(plays))
    found = {}
    for name, executable in EXECUTABLES.items():
        found[name] = folder / executable
        found[name].write_text(f'#!/bin/sh\nexec {sys.executable} -IS {IMITATION} {recordings} {name} "$@"\n')
        found[name].chmod(0o755)
    return found


def _plays(provider: str, facts: dict[str, Any]) -> dict[str, Any]:
    samples = ROOT / "providers" / provider / "tests/samples" / facts["samples"]
    exits = json.loads((samples / "exits.json").read_text())
    return {kind: _play(samples, exits, *facts[kind]) for kind in ("fresh", "resumed", "rate")}


def _play(samples: Path, exits: dict[str, int], case: str, reply: str) -> dict[str, Any]:
    def read(suffix: str) -> str:
        path = samples / f"{case}.{suffix}"
        return path.read_text() if path.exists() else ""

    stdout, export = read("stdout"), read("export.json")
    found = _ID.search(stdout) or _ID.search(export)
    assert reply in stdout, f"{case} no longer says {reply}"
    return {
        "stdout": stdout,
        "stderr": read("stderr"),
        "exit": exits[case],
        "id": found[1] if found else "no id is told",
        "reply": reply,
        "words": reply.strip('"'),
        "files": {"export.json": export} if export else {},
    }
