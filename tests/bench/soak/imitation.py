"""A program that prints what one of the agents' CLIs was recorded to print. Standard library only; started some times a second.

imitation.py RECORDINGS PROVIDER ARGUMENT...

What it does stands in the prompt, as `soak:KIND:NUMBER`: `rate` fails as the CLI did when it was told to slow down, `slow` stops
half-way for some seconds, `large` answers with much text, `hang` says its first line and waits to be ended. All others answer
`answer NUMBER`. The conversation's id is the one that the command line names, else a new one.
"""

import json
import os
import re
import select
import signal
import sys
import time

SLOW_S = 4.0
LARGE = "a line of a long answer, as agents write them. " * 5000

_TOLD_ID = re.compile(r"--(?:session-id|resume)=(.+)")
_TASK = re.compile(rb"soak:([a-z]+):([0-9]+)")


def conversation(arguments: list) -> tuple:
    """The id, and whether the conversation goes on."""
    for word in arguments:
        if match := _TOLD_ID.fullmatch(word):
            return match[1], word.startswith("--resume")
        if word == "resume":  # Codex: the id stands last but one
            return arguments[-2], True
    half = f"{time.time_ns() // 1_000_000:012x}", os.urandom(10).hex()  # as UUIDs of version 7 begin
    return f"{half[0][:8]}-{half[0][8:]}-7{half[1][:3]}-8{half[1][3:6]}-{half[1][6:18]}", False


def leave(folder: str, files: dict, native_id: str, recorded_id: str) -> None:
    """What a CLI leaves in the folder that it is given."""
    for name, words in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(words.replace(recorded_id, native_id))


def main() -> None:
    """Play one recording."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open(sys.argv[1]) as file:
        provider = json.load(file)[sys.argv[2]]
    arguments = sys.argv[3:]
    if "--version" in arguments:
        print(provider["version"])
        return
    found = _TASK.search(sys.stdin.buffer.read())
    kind, number = (found[1].decode(), found[2].decode()) if found else ("plain", "0")
    native_id, goes_on = conversation(arguments)
    play = provider["rate" if kind == "rate" else "resumed" if goes_on else "fresh"]

    answer = f"answer {number}" + (f" {LARGE}" if kind == "large" else "")
    words = play["stdout"].replace(play["id"], native_id)
    if play["reply"]:
        words = words.replace(play["reply"], play["reply"].replace(play["words"], answer))
    lines = words.splitlines(keepends=True)
    sys.stderr.write(play["stderr"])
    sys.stderr.flush()
    for place, line in enumerate(lines):
        if kind in ("slow", "hang") and place == len(lines) // 2:
            sys.stdout.flush()
            if kind == "hang":
                signal.pause()
            select.select((), (), (), SLOW_S)
        sys.stdout.write(line)
    for word in arguments:
        if word.startswith("--output-dir="):
            leave(word.partition("=")[2], play["files"], native_id, play["id"])
    sys.stdout.flush()
    os._exit(play["exit"])


if __name__ == "__main__":
    main()
