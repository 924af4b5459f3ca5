"""Runs a page of docs/tutorial/ as it stands: its files are written, its commands are run, their output is compared.

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

_FILE = re.compile(r"^\*\*`([^`]+)`\*\*\n\n```[a-z]+\n(.*?)^```$", re.M | re.S)
_CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)


@dataclass
class Command:
    """A command of the page, and the output that it promises."""

    words: str
    output: list[str] = field(default_factory=list)

    def kept(self, printed: str) -> bool:
        """Whether the output is as promised."""
        lines = [re.escape(line).replace("…", ".*") for line in self.output]
        return re.fullmatch(r"\s*" + r"\n".join(lines) + r"\s*", printed, re.S) is not None


def write_files(page: Path, folder: Path) -> list[Path]:
    """Write the page's files."""
    written = []
    for name, content in _FILE.findall(page.read_text("utf-8")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        written.append(path)
    return written


def commands_of(page: Path) -> list[Command]:
    """The page's commands, in order."""
    found: list[Command] = []
    for block in _CONSOLE.findall(page.read_text("utf-8")):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            else:
                found[-1].output.append(line)
    return found


def run_commands(commands: list[Command], folder: Path, env: dict[str, str]) -> None:
    """Run them in one shell, one after the other; AssertionError for the first whose output is another."""
    mark = "---- the next command ----"
    script = "".join(f"{command.words}\necho '{mark}'\n" for command in commands)
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    for command, printed in zip(commands, done.stdout.split(mark + "\n"), strict=False):
        assert not command.output or command.kept(printed), f"$ {command.words}\n{printed}"
