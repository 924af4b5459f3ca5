"""What a person and a log see of `llm-gateway review`, by the real command in a terminal that is read as a terminal reads it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

import pyte
import pytest

from tests.integration.gateway.reviewing import Script, finding, said
from tests.integration.gateway.test_review_command import run
from tests.integration.gateway.world import Home

PATIENCE_S = 60
LONG = "A title that is much longer than a terminal of eighty columns is wide, so that it must be wrapped somewhere"


@pytest.fixture
def script(home: Home, repository: Path) -> Script:
    (repository / "code.py").write_text("two\n")
    for name in ("NO_COLOR", "TERM", "COLUMNS", "LINES"):
        home.env.pop(name, None)
    return Script(home)


class Seen:
    """A run of the command in a terminal of this width: all bytes, and the screen at the end."""

    def __init__(self, home: Home, *words: str, columns: int = 80, **environ: str) -> None:
        screen = pyte.Screen(columns, 40)
        stream = pyte.ByteStream(screen)
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        command = [*home.python, "-m", "llm_gateway.cli", "review", "--with", "echo", *words]
        env = {**home.env, "TERM": "xterm-256color", **environ}
        process = subprocess.Popen(command, env=env, cwd=home.work, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.bytes, deadline = b"", time.monotonic() + PATIENCE_S
        try:
            while select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
                try:
                    piece = os.read(master, 65536)
                except OSError:  # the other side is closed
                    break
                self.bytes += piece
                stream.feed(piece)
        finally:
            process.kill() if time.monotonic() > deadline else None
            self.code = process.wait(PATIENCE_S)
            os.close(master)
        self.lines = [line.rstrip() for line in screen.display]
        self.text = "\n".join(self.lines).rstrip()


def test_a_person_sees_every_round_and_what_was_found(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding(), finding(LONG, line=9, severity="low")), said("APPROVED"))
    script.say("fix", {"text": "mended", "write": {"code.py": "right\n"}}, model="echo-1-mini")
    seen = Seen(home, "--fix-with", "echo:echo-1-mini")
    assert seen.code == 0
    assert seen.lines[0].startswith("echo looks at the uncommitted changes; echo mends (rv-")
    plain = [line.split()[:4] for line in seen.lines]
    assert ["Round", "1", "of", "3"] in plain
    assert ["✗", "echo", "not", "approved"] in plain
    assert "    high      code.py:1: The answer is wrong (echo)" in seen.lines
    assert any(line.startswith("    low       code.py:9: A title") and line.endswith("…") for line in seen.lines)
    assert ["✓", "echo", "mended"] in [line[:3] for line in plain]
    assert seen.text.index("mended") < seen.text.index("Round 2 of 3") < seen.text.index("Approved. 1 of 1 approve")
    assert b"\x1b[32m" in seen.bytes
    assert "working" not in seen.text, "what moved is gone"


def test_a_narrow_terminal_wraps_between_words_and_no_line_runs_over(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding(LONG, detail="word " * 40)))
    seen = Seen(home, columns=60)
    assert seen.code == 1
    report = seen.lines[seen.lines.index("Findings:") + 1 :]
    assert report[0] == "1. [high] code.py:1: A title that is much longer than a"
    assert report[1].startswith("   terminal of eighty columns")
    assert "wor\n" not in seen.text


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_no_colour_where_none_is_wanted(home: Home, script: Script, environ: dict[str, str]) -> None:
    script.say("review", said("NOT_APPROVED", finding()))
    seen = Seen(home, **environ)
    assert seen.code == 1
    assert b"[3" not in seen.bytes
    assert "[high] code.py:1: The answer is wrong (echo)" in seen.text


def test_words_of_agents_move_nobodys_cursor(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding("[red]evil[/red]\x1b[2J\x1b]0;title\x07"), words="a\x1b[2Jb"))
    seen = Seen(home)
    assert b"\x1b[2J" not in seen.bytes
    assert b"\x1b]0" not in seen.bytes
    assert "[red]evil[/red]" in seen.text


def test_a_log_gets_a_line_for_each_that_has_ended(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding(LONG)), said("APPROVED"))
    script.say("fix", {"text": "mended", "write": {"code.py": "right\n"}}, model="echo-1-mini")
    done = run(home, "--with", "echo", "--fix-with", "echo:echo-1-mini", "--format", "github")
    lines = [" ".join(line.split()) for line in done.stderr.splitlines()]
    assert [line.split(" 0:")[0] for line in lines[1:]] == [
        "Round 1 of 3",
        "✗ echo not approved",
        f"high code.py:1: {LONG} (echo)",
        "✓ echo mended",
        "Round 2 of 3",
        "✓ echo approved",
    ]
    assert "\x1b" not in done.stderr + done.stdout
    assert done.stdout == "::notice title=APPROVED::1 of 1 approve, 1 needed\n"


def test_a_colourful_log_is_no_terminal(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding()))
    home.env["FORCE_COLOR"] = "1"
    done = run(home, "--with", "echo", "--format", "github")
    assert set(re.findall(r"\x1b\[[0-9;?]*([A-Za-z])", done.stderr)) <= {"m"}
    assert "\x1b" not in done.stdout


def test_a_log_without_utf_8_is_told_in_ascii(home: Home, script: Script) -> None:
    script.say("review", said("NOT_APPROVED", finding("Größe")))
    home.env["PYTHONIOENCODING"] = "ascii:replace"
    done = run(home, "--with", "echo")
    assert done.returncode == 1, done.stderr
    assert "x echo  not approved" in done.stderr


def test_a_review_is_canceled_from_a_terminal_by_its_id(home: Home, script: Script) -> None:
    script.say("review", said("APPROVED"))
    review = run(home, "--with", "echo").stderr.partition("(")[2].partition(")")[0]
    assert run(home, "--id", review, "--cancel").stdout.startswith("Approved."), "it was over already"
    assert run(home, "--cancel", "--with", "echo").returncode == 2
