"""Stands in for the echo program: what it answers stands in a script of the test, by model, role and number of the turn.

The script, `<folder>/script.json`: {"<model>": {"review" | "fix" | "ask" | "judge": [answer, …]}}; an answer beyond the last one is
the last one. An answer is text, or {"text": …, "write": {file: content}, "says": …, "gate": fifo, "scenario": name}: files are written into the
working directory, `says` is told before the answer, and a gate is waited at until the test opens it. Every start is written into `<folder>/ledger`.
"""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

FOLDER, REAL = Path(sys.argv[1]), sys.argv[2]
ROLES = {
    "You are one of several reviewers": "review",
    "Reviewers have looked": "fix",
    "Several agents were asked": "judge",
}


def main() -> int:
    prompt = sys.stdin.read()
    arguments = sys.argv[3:]
    role = next((role for words, role in ROLES.items() if prompt.startswith(words)), "ask")
    model = next((one.partition("=")[2] for one in arguments if one.startswith("--model=")), "echo-1")
    resumed = any(one.startswith("--resume=") for one in arguments)
    mine = json.dumps([model, role])
    with (FOLDER / "ledger").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # several agents start at once, and each has a number of its own
        file.seek(0)
        number = sum(line.startswith(mine) for line in file)
        file.write(f"{mine} {'resumed' if resumed else 'fresh'} {os.environ.get('LLM_GATEWAY_JOB', '')}\n")
    (FOLDER / f"prompt-{model}-{role}-{number + 1}").write_text(prompt)
    script = json.loads((FOLDER / "script.json").read_text()).get(model, {}).get(role, ["nothing to say"])
    said = script[min(number, len(script) - 1)]
    told = said if isinstance(said, dict) else {"text": said}
    if told.get("says"):
        print(json.dumps({"type": "text", "text": told["says"]}), flush=True)
    if told.get("gate"):
        Path(told["gate"]).read_text()
    for name, content in told.get("write", {}).items():
        Path(name).write_text(content)
    if told.get("scenario"):
        arguments.append(f"--scenario={told['scenario']}")
    return subprocess.run([REAL, *arguments], input=told.get("text", "").encode(), check=False).returncode


if __name__ == "__main__" and "--version" not in sys.argv:
    sys.exit(main())
if __name__ == "__main__":
    os.execv(REAL, [REAL, "--version"])
