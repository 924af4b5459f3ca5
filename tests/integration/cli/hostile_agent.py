"""Stands in for the echo program: its answer, its errors, its stderr and its version are full of control sequences.

    python hostile_agent.py <file with the text> [arguments of the echo program]

A prompt with FAIL gets an error; a reviewer's prompt gets a finding.
"""

import json
import sys
from pathlib import Path


def main() -> int:
    text = json.loads(Path(sys.argv[1]).read_text("ascii"))
    if "--version" in sys.argv:
        sys.stdout.buffer.write(f"echo {text} 9.9.9\n".encode("utf-8", "replace"))
        sys.stderr.write(ascii(text))
        return 0
    given = dict(one.lstrip("-").split("=", 1) for one in sys.argv[2:])
    prompt = sys.stdin.read()
    sys.stderr.buffer.write(text.encode("utf-8", "replace"))

    def emit(**event: object) -> None:
        print(json.dumps(event), flush=True)

    emit(type="session", id=given.get("session-id") or given.get("resume"), model=f"m{text}")
    emit(type="tool", name=f"Read{text}", detail=text)
    emit(type="text", text=text)
    if "FAIL" in prompt:
        emit(type="error", kind="usage", message=f"failed: {text}")
        return 3
    answer = f"answer {text}\n::error::{text}\n"
    if prompt.startswith("You are one of several reviewers"):
        found = {"file": f"code{text}.py", "line": 1, "severity": "high", "cause": text, "title": text, "detail": text}
        answer = f"{text}\n\n```json\n{json.dumps({'findings': [found]})}\n```\n\nNOT_APPROVED"
    emit(type="usage", inputTokens=2, outputTokens=3)
    emit(type="result", text=answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
