"""Runs a page of docs/tutorial/ as it stands, from top to bottom: its files are written, its commands run, their output compared.

A file is a fenced block under a line that is only its path, bold and in backticks. A command is a line with `$ ` in a
`console` block; what follows is its output, in which `…` stands for anything. An `sh` block is not run: it makes the
environment, which the test has made already.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^(?:\*\*`(?P<path>[^`]+)`\*\*\n\n```[a-z]+|```console)\n(?P<body>.*?)^```$", re.M | re.S)
_MARK = "---- the next step ----"


@dataclass
class Step:
    """Something that the reader does, and the output that the page promises for it."""

    words: str  #: what a shell is told
    output: list[str] = field(default_factory=list)

    def kept(self, printed: str) -> bool:
        """Whether the output is as promised."""
        lines = [re.escape(line).replace("…", ".*") for line in self.output]
        return re.fullmatch(r"\s*" + r"\n".join(lines) + r"\s*", printed, re.S) is not None


def steps_of(page: Path) -> list[Step]:
    """The page's files and commands, in its order."""
    found: list[Step] = []
    for block in _BLOCK.finditer(page.read_text("utf-8")):
        if path := block["path"]:
            folder = os.path.dirname(path) or "."
            found.append(
                Step(f"mkdir -p {folder} && cat > {path} <<'THE-END-OF-A-FILE'\n{block['body']}THE-END-OF-A-FILE")
            )
            continue
        for line in block["body"].splitlines():
            if line.startswith("$ "):
                found.append(Step(line[2:]))
            else:
                found[-1].output.append(line)
    return found


def files_of(page: Path) -> dict[str, str]:
    """The page's files: path and content."""
    return {block["path"]: block["body"] for block in _BLOCK.finditer(page.read_text("utf-8")) if block["path"]}


def take(steps: list[Step], folder: Path, env: dict[str, str]) -> None:
    """Take them in one shell, one after the other; AssertionError for the first whose output is another."""
    script = "".join(f"{step.words}\necho '{_MARK}'\n" for step in steps)
    done = subprocess.run(
        ["bash", "-c", script],  # not on standard input: `llm-gateway ask` reads what is piped into it
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    printed = done.stdout.split(_MARK + "\n")
    assert len(printed) == len(steps) + 1, done.stdout
    for step, said in zip(steps, printed, strict=False):
        assert not step.output or step.kept(said), f"$ {step.words}\n{said}"
