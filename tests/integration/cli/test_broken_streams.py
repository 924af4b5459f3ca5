"""Closed, full and deserted streams: no subcommand answers with a traceback, and each ends with a conventional exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.subcommands import WORDS, every_subcommand

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full"),
]

#: Each leaves the exit code of the command in the file `code`.
BROKEN = {
    "nobody reads": '{ "$@"; echo $? > code; } | true',
    "full": '"$@" > /dev/full; echo $? > code',
    "no stdin": '"$@" <&-; echo $? > code',
    "no stdout": '"$@" >&-; echo $? > code',
    "no stderr": '"$@" 2>&-; echo $? > code',
    "full stderr": '"$@" 2> /dev/full; echo $? > code',
    "nothing at all": '"$@" <&- >&- 2>&-; echo $? > code',
}
USUAL = {0, 1, 2, 3, 4, 141}  #: 4: `doctor` found no agent that is ready


def run(
    command, folder: Path, script: str, words: list[str], stdin: int | None = subprocess.DEVNULL
) -> tuple[int, str]:
    environ = {name: value for name, value in command.environ.items() if name != "LLM_GATEWAY_PLUGINS"}
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", sys.executable, "-m", "llm_gateway.cli", *words],
        cwd=folder,
        env=environ | {"HOME": str(command.home.parent)},
        stdin=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return int((folder / "code").read_text()), done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("words", [one for one in every_subcommand() if one != ("demo",)], ids=" ".join)
def test_lesson_112_no_subcommand_ends_with_a_traceback_whatever_its_streams_are(
    command, tmp_path: Path, words
) -> None:
    for name in ("nobody reads", "full", "full stderr", "nothing at all"):
        script = BROKEN[name]
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        code, told = run(command, folder, script, [*words, *WORDS.get(words, [])])
        assert "Traceback" not in told, f"{name}: {told}"
        assert "Exception ignored" not in told, f"{name}: {told}"
        assert code in USUAL, f"{name}: {code} {told}"


@pytest.mark.parametrize(
    ("name", "code"), [("nobody reads", 141), ("full", 1), ("no stdout", 1), ("no stdin", 0), ("no stderr", 0)]
)
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["config"], ["jobs", "list", "--json"]], ids=" ".join)
def test_output_that_could_not_be_written_is_a_failure(command, tmp_path: Path, words, name: str, code: int) -> None:
    script = BROKEN[name].replace("{ ", "{ sleep 0.3; ") if name == "nobody reads" else BROKEN[name]
    found, told = run(command, tmp_path, script, words)
    assert (found, "Traceback" in told) == (code, False), told


def test_head_gets_its_lines_and_nothing_is_said(command, tmp_path: Path) -> None:
    code, told = run(command, tmp_path, '{ "$@"; echo $? > code; } | head -n 1', ["config"])
    assert len(told.splitlines()) == 1
    assert code in (0, 141)


def test_the_answer_that_cannot_be_written_stays_with_its_job(command, tmp_path: Path) -> None:
    code, _ = run(command, tmp_path, BROKEN["full"], ["ask", "echo", "hello"])
    assert code == 1
    [job] = command.json("jobs", "list")["jobs"]
    assert command.run("jobs", "result", job["id"]).stdout == "echo: hello\n"


@pytest.mark.parametrize(
    ("stdin", "prompt", "answer"),
    [
        (b"a diff\n", "explain", "echo: explain\n\na diff\n"),
        (b"", "explain", "echo: explain\n"),
        (b" \n", "explain", "echo: explain\n"),
        (b"all of it", "-", "echo: all of it\n"),
        ("\ufeffwith a mark".encode(), "-", "echo: with a mark\n"),
    ],
)
def test_piped_text_reaches_the_agent_after_the_words(command, stdin: bytes, prompt: str, answer: str) -> None:
    assert command.run("ask", "echo", prompt, stdin=stdin).stdout.rstrip("\n") == answer.rstrip("\n")


def test_text_that_comes_late_from_a_pipe_reaches_the_agent(command, tmp_path: Path) -> None:
    script = '(sleep 1; echo late) | "$@"; echo $? > code'
    assert "late" in run(command, tmp_path, script, ["ask", "echo", "explain"])[1]


def test_a_file_that_is_redirected_reaches_the_agent(command, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("from a file")
    assert "from a file" in run(command, tmp_path, '"$@" < words; echo $? > code', ["ask", "echo", "explain"])[1]


def test_a_pipe_into_which_nobody_writes_holds_nothing_up_for_ever(
    command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from llm_gateway.cli import piped

    monkeypatch.setattr(piped, "_NOTICE_S", 0.01)
    monkeypatch.setattr(piped, "_FIRST_BYTE_S", 0.02)
    reading, writing = os.pipe()
    try:
        with os.fdopen(reading) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            assert piped.piped_text() == ""
    finally:
        os.close(writing)
    assert "</dev/null" in capsys.readouterr().err


def test_piped_text_that_is_not_utf8_is_wrong_usage(command) -> None:
    done = command.run("ask", "echo", "x", stdin=b"\xff\xfe")
    assert (done.returncode, "UTF-8" in done.stderr) == (2, True)
