"""An imitation of Antigravity's `agy`, for tests: without an account, the real program cannot be installed.

It follows the documentation and public reports of the JSON output, the conversations and the exit codes. The prompt contains the
answer: SAY:text, HISTORY, DENY:permission, QUOTA, LOGIN, LATE, FOREIGN. Tests put it on PATH with the name `agy`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

VALUES = {
    *("input-format", "output-format", "print-timeout", "conversation", "model", "effort", "json-schema", "add-dir"),
}
SWITCHES = {"disable-slash-commands", "dangerously-skip-permissions", "sandbox", "version"}


def flags(argv: list[str]) -> dict[str, str]:
    """Parse the command line as Go's flag package does: exit at an unknown flag."""
    given: dict[str, str] = {}
    for word in argv:
        name, _, value = word.lstrip("-").partition("=")
        if not word.startswith("-") or name not in VALUES | SWITCHES:
            print(f"flag provided but not defined: -{name}", file=sys.stderr)
            raise SystemExit(2)
        given[name] = value
    return given


def say(event: str, **payload: Any) -> None:
    """Print one line of the stream."""
    print(json.dumps({"event": event, event: payload}), flush=True)


def main() -> None:
    """Answer each line of standard input."""
    given = flags(sys.argv[1:])
    if "version" in given:
        print("1.2.14")
        return
    store = Path(os.environ["HOME"], ".gemini", "antigravity-cli", "conversations")
    store.mkdir(parents=True, exist_ok=True)
    asked, conversation = given.get("conversation"), str(uuid4())
    history: list[str] = []
    if asked and (store / f"{asked}.json").exists():
        conversation, history = asked, json.loads((store / f"{asked}.json").read_text())
    elif asked:
        print(f'warning: conversation "{asked}" not found', file=sys.stderr)
    mode = "always-proceed" if "dangerously-skip-permissions" in given else "request-review"
    model = given.get("model", "gemini-3.8-flash-high")
    say("init", conversation_id=conversation, cwd=os.getcwd(), tools=[], permission_mode=mode, model=model)
    for line in sys.stdin:
        answer(json.loads(line)["message"]["content"], conversation, history, mode, given)
        (store / f"{conversation}.json").write_text(json.dumps(history))


def answer(prompt: str, conversation: str, history: list[str], mode: str, given: dict[str, str]) -> None:
    """One turn."""
    word, _, rest = prompt.strip().partition(":")
    turn = len(history)
    history.append(prompt)
    result: dict[str, Any] = {"conversation_id": conversation, "status": "SUCCESS", "response": ""}
    counted = {"input_tokens": 11_000, "output_tokens": 50, "thinking_tokens": 20, "total_tokens": 11_050}
    counted["cache_read_tokens"] = 9_000 if turn else 0
    if word == "LOGIN":
        print("authentication timed out", file=sys.stderr)
        raise SystemExit(1)
    if word == "LATE":
        print("[agy] print timeout after 5m0s, returning partial output", file=sys.stderr)
    elif word == "QUOTA":
        words = "RESOURCE_EXHAUSTED (code 429): Individual quota reached. Resets in 2h39m52s"
        result |= {"status": "ERROR", "error": words}
    elif word == "DENY" and mode != "always-proceed":
        denied = f'a tool required the "{rest}" permission that headless mode cannot prompt for, so it was auto-denied'
        print(f"jetski: no output produced — {denied}", file=sys.stderr)
    else:
        result["response"] = " | ".join(history[:-1]) if word == "HISTORY" else rest or f"OK: {prompt[:60]}"
        step = {"conversation_id": conversation, "step_index": turn * 2 + 1, "step_type": "agent_response"}
        say("step_update", **step, state="ACTIVE", text_delta=result["response"])
        say("step_update", **step, state="DONE", usage=counted)
    if "json-schema" in given:
        result["structured_output"] = {"n": 3}
    so_far = {name: number * (turn + 1) for name, number in counted.items()}
    say("result", **result, duration_seconds=0.1, num_turns=turn + 1, usage=so_far)


if __name__ == "__main__":
    main()
