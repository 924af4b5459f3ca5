"""Programs that imitate a coding agent: small, real executables that print the lines a test gives them.

def test_my_provider(make_program):
    program = make_program("mine", 'print this line', {"type": "result"}, exit_code=3)
    ... PATH=str(program.folder) ...
    assert program.runs()[0].argv == ["--flag"]

With `waits=True` a program stops before its last line until the test calls `go()`, so no test needs to sleep.
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
stdin = "" if plan["deaf"] else sys.stdin.buffer.read().decode("utf-8", "replace")
seen = {{"argv": sys.argv[1:], "stdin": stdin, "cwd": os.getcwd(), "env": dict(os.environ), "pid": os.getpid()}}
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
    with open(os.path.join(here, plan["name"] + ".waiting"), "w") as pipe:
        pipe.write("x")
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
    """One run of the program."""

    argv: list[str]
    stdin: str
    cwd: str
    env: dict[str, str]
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An executable that `ProgramBuilder` wrote."""

    path: Path

    @property
    def folder(self) -> Path:
        """The folder of the program. Put it on PATH."""
        return self.path.parent

    def runs(self) -> list[Run]:
        """Return every run that has started so far."""
        log = self.path.with_name(f"{self.path.name}.runs")
        return [Run(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []

    def await_waiting(self, seconds: float = 30.0) -> None:
        """Block until a program made with `waits` has printed all lines except the last. In async code, call it in a thread.

        Raises TimeoutError after `seconds`.
        """
        pipe = os.open(self.path.with_name(f"{self.path.name}.waiting"), os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not select.select([pipe], [], [], seconds)[0]:
                raise TimeoutError(f"{self.path.name} did not reach its last line in {seconds} s")
        finally:
            os.close(pipe)

    def go(self) -> None:
        """Let the program print its last line. Blocks until the program waits."""
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
        """Write a program that prints these lines (a dict as JSON), flushes each, and exits.

        :param waits: stop before the last line until the test calls `go()`.
        :param hangs: do not exit after the last line.
        :param deaf: do not read stdin (the default reads it to its end first).
        :param detaches: leave a process in a new session that ignores SIGTERM.
        :param ignores: names of signals to ignore, such as "SIGTERM".
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
