"""A person at a terminal is asked what a policy asks."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

RISKY = ("ask", "echo", "hello", "--param", "approvalStrategy=mcp_managed", "--param", 'allowedTools=["Bash"]')
PATIENCE_S = 30


class Terminal:
    """One run of the command in a terminal: it sees a person, and so do we."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self.shown = ""

    def expect(self, words: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.shown:
            ready, _, _ = select.select([self._master], [], [], deadline - time.monotonic())
            assert ready, f"never showed {words!r}: {self.shown!r}"
            self.shown += os.read(self._master, 65536).decode()

    def enter(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def answer(self) -> tuple[int, str]:
        """Exit code and stdout."""
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out.decode()


@contextmanager
def terminal(command, *words: str) -> Iterator[Terminal]:
    command.environ["LLM_GATEWAY_PLUGINS"] = "echo,operations,git,managed"
    master, slave = os.openpty()
    process = command.start(*words, stdin=slave, stdout=subprocess.PIPE, stderr=slave, start_new_session=True)
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        os.close(master)
        process.kill()
        process.communicate()


def test_who_says_yes_gets_the_answer(command) -> None:
    with terminal(command, *RISKY) as screen:
        screen.expect("[y/N] ")
        assert "opens the shell for any program (Bash)" in screen.shown
        screen.enter("y\n")
        screen.expect("accept_edits, allowed by human")
        assert screen.answer() == (0, "echo: hello\n")


@pytest.mark.parametrize("keys", ["\n", "n\n", "what?\n"], ids=["nothing", "no", "something else"])
def test_who_does_not_say_yes_gets_a_denial(command, keys: str) -> None:
    with terminal(command, *RISKY) as screen:
        screen.expect("[y/N] ")
        screen.enter(keys)
        screen.expect("approval_denied")
        code, out = screen.answer()
        assert (code != 0, out) == (True, "")
    assert command.json("jobs", "list")["jobs"] == []


def test_who_closes_the_terminals_input_has_not_answered(command) -> None:
    with terminal(command, *RISKY) as screen:
        screen.expect("[y/N] ")
        screen.enter("\x04")
        screen.expect("approval_needed")
        assert screen.answer()[0] != 0


def test_a_program_is_not_asked(command) -> None:
    command.environ["LLM_GATEWAY_PLUGINS"] = "echo,operations,git,managed"
    done = command.run(*RISKY)
    assert done.returncode != 0
    assert "approval_needed" in done.stderr


def on_a_terminal(command, *words: str) -> str:
    """All that a command writes to a terminal, which is stdin, stdout and stderr."""
    command.environ |= {"COLUMNS": "80", "TERM": "xterm"}
    master, slave = os.openpty()
    with command.start(*words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as process:
        os.close(slave)
        shown = b""
        try:
            while data := _read(master):
                shown += data
            assert process.wait(PATIENCE_S) == 0, shown
        finally:
            process.kill()
            os.close(master)
    return shown.decode()


def _read(master: int) -> bytes:
    ready, _, _ = select.select([master], [], [], PATIENCE_S)
    assert ready, "the command writes nothing and does not end"
    try:
        return os.read(master, 65536)
    except OSError:  # nobody holds the other end any more
        return b""


def test_an_answer_is_printed_once_below_a_line_about_what_the_agent_does(command) -> None:
    shown = on_a_terminal(command, "ask", "echo", "hello", "--param", "scenario=steps", "--param", "delayMs=20")
    assert shown.count("echo: hello") == 1
    assert "echo · Read: file 1 of 3 · 0:0" in shown
    drawn = [line.rpartition("\x1b[2K")[2] for line in shown.replace("\r\n", "\n").split("\n")]
    assert "echo: hello" in drawn, "the line that changes is gone where the answer stands"


def test_a_long_answer_that_came_in_one_piece_is_printed_once(command) -> None:
    prompt = " ".join(f"word{number}" for number in range(200))
    shown = on_a_terminal(command, "ask", "echo", prompt, "--param", "scenario=steps", "--param", "delayMs=20")
    assert shown.count("word199") == 1


def test_no_line_of_a_list_is_longer_than_the_terminal(command) -> None:
    assert command.run("ask", "echo", "word " * 100).returncode == 0
    for listed in ("jobs", "sessions"):
        shown = on_a_terminal(command, listed)
        assert max(map(len, shown.splitlines())) <= 80
        assert "word…" in shown or "…" in shown
