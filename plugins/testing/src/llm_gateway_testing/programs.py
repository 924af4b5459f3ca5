"""Programs that pretend to be a coding agent: small, real executables that say what a test wants them to say.

def test_my_provider(make_program):
    program = make_program("mine", 'print this line', {"type": "result"}, exit_code=3)
    ... PATH=str(program.folder) ...
    assert program.runs()[0].argv == ["--flag"]

With `waits=True` a program stops before its last line until the test calls `go()`: an event, not a length of time.
"""

from __future__ import annotations

import json
import os
import select
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BODY = """\
import json, os, signal, sys
plan = json.loads({plan!r})
here = {here!r}
for name in plan["ignores"]:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
words = "" if plan["deaf"] else sys.stdin.buffer.read().decode("utf-8", "replace")
seen = {{"argv": sys.argv[1:], "stdin": words, "cwd": os.getcwd(), "env": dict(os.environ), "pid": os.getpid()}}
with open(os.path.join(here, plan["name"] + ".runs"), "a") as log:
    log.write(json.dumps(seen) + "\\n")
if plan["detaches"] and os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pause()
print(plan["stderr"], end="", file=sys.stderr, flush=True)
*first, last = plan["lines"] or [""]
for line in first:
    print(line, flush=True)
if plan["waits"]:
    with open(os.path.join(here, plan["name"] + ".waiting"), "w") as bell:
        bell.write("x")
    open(os.path.join(here, plan["name"] + ".go")).read()
if plan["lines"]:
    print(last, flush=True)
if plan["hangs"]:
    signal.pause()
sys.stdout.flush()
os._exit(plan["exit_code"])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One time that the program was run."""

    argv: list[str]
    stdin: str
    cwd: str
    env: dict[str, str]
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An executable in a folder of its own making."""

    path: Path

    @property
    def folder(self) -> Path:
        """Put it on PATH."""
        return self.path.parent

    def runs(self) -> list[Run]:
        """Every run that has begun so far."""
        log = self.path.with_name(f"{self.path.name}.runs")
        return [Run(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []

    def await_waiting(self, seconds: float = 30.0) -> None:
        """Block until a program made with `waits` has said all but its last line. Call it in a thread from async code."""
        bell = os.open(self.path.with_name(f"{self.path.name}.waiting"), os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not select.select([bell], [], [], seconds)[0]:
                raise TimeoutError(f"{self.path.name} did not come so far in {seconds} s")
        finally:
            os.close(bell)

    def go(self) -> None:
        """Let it say its last line. Blocks until it waits."""
        with self.path.with_name(f"{self.path.name}.go").open("w") as gate:
            gate.write("go")


class ProgramBuilder:
    """Writes executables into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        name: str,
        *lines: str | dict[str, Any],
        stderr: str = "",
        exit_code: int = 0,
        waits: bool = False,
        hangs: bool = False,
        deaf: bool = False,
        detaches: bool = False,
        ignores: tuple[str, ...] = (),
    ) -> Program:
        """Write a program that prints these lines (a dict: as JSON), each flushed, and exits.

        :param waits: stop before the last line until the test says `go()`.
        :param hangs: never end by itself.
        :param deaf: do not read stdin (the default reads it to its end first).
        :param detaches: leave a process behind, in a session of its own, that ignores SIGTERM.
        :param ignores: signals that it ignores, such as "SIGTERM".
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        plan = {
            "name": name,
            "lines": [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines],
            "stderr": stderr,
            "exit_code": exit_code,
            "waits": waits,
            "hangs": hangs,
            "deaf": deaf,
            "detaches": detaches,
            "ignores": list(ignores),
        }
        path = self.folder / name
        path.write_text(f"#!{sys.executable} -IS\n" + _BODY.format(plan=json.dumps(plan), here=str(self.folder)))
        path.chmod(0o755)
        if waits:
            for kind in ("waiting", "go"):
                os.mkfifo(path.with_name(f"{name}.{kind}"))
        return Program(path=path)
