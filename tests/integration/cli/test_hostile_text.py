"""Whatever an agent, a repository or a plugin says, and wherever a subcommand shows it: no control character reaches a terminal.

The subcommands come from the parser, and each runs on a real terminal (pty), as a table, as JSON and with wrong arguments.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import termios
import time
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.integration.cli.conftest import Command
from tests.integration.cli.subcommands import WORDS, every_subcommand
from tests.integration.cli.test_broken_plugins import install
from tests.integration.cli.test_serve import HELLO, talk

pytestmark = pytest.mark.slow

AGENT = Path(__file__).with_name("hostile_agent.py")
PATIENCE_S = 90
#: Colours, movements, titles, the clipboard, a link, device control, reset; the same in C1; bidi; what overwrites a line.
SEQUENCES = (
    "\x1b[35mX\x1b[2J\x1b[1;1H\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\x1b]8;;evil:/link\x1b\\link\x1b]8;;\x1b\\"
    "\x1bPq\x1b\\\x1bc\x1b(0\x1b[?1049h\x1b[6n\x9b31m\x9d52;c;ZXZpbA==\x9c\x90q\x9c\x85\x84"
    "\u202eevil\u202c\u2066x\u2069\u200e\u061c\u2028\ufeff\rover\x08\x7f\x07\x0b\x0c\x0e\x1b"
)
TEXT = f"{SEQUENCES}\ud800 \udc9b" + "long " * 2000
#: What may be part of a file's name: neither a slash nor more than 255 bytes. The last byte is no character.
NAME = os.fsencode(re.sub(r"/|\x1b\]8.*?link", "", SEQUENCES[:130])) + b"\x9b\x9d"
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
DRAWING = {("review",), ("ask",), ("jobs", "tail")}
#: What the command and its live displays write themselves.
OWN = re.compile(r"\x1b\[(?:0|1|2|31|32|33|36|1;31|1;32|1;33)m")
DRAWN = re.compile(r"\x1b\[(?:\?25[hl]|1A|2K)|\r(?=\x1b\[(?:2K|1A))")
PLUGIN = """
TEXT = %s
from llm_gateway import Diagnosis, Command, Decision
@hookimpl
def gateway_diagnose():
    return [Diagnosis(name="x" + TEXT, ok=False, message=TEXT), Diagnosis(name="y", ok=True, message=TEXT)]
"""


def run(command: Command, *words: str | bytes, cwd: bytes, **environ: str) -> bytes:
    """All bytes that the command writes to its terminal, which changes none of them."""
    master, slave = os.openpty()
    mode = termios.tcgetattr(slave)
    mode[1] &= ~termios.OPOST
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, mode)
    process = subprocess.Popen(
        [Path(sys.executable).with_name("llm-gateway"), *words],
        env=command.environ | {"EDITOR": "true"} | environ,
        cwd=cwd,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    seen, deadline = b"", time.monotonic() + PATIENCE_S
    try:
        while select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            seen += piece
    finally:
        over = time.monotonic() > deadline
        if over:
            process.kill()
        process.wait(PATIENCE_S)
        os.close(master)
    assert not over, f"no end of {words}: {seen[-2000:]!r}"
    return seen


def harmful(seen: bytes, *, colours: bool) -> list[str]:
    """Every control character that was written, with what is around it."""
    text = seen.decode("utf-8", "surrogateescape")
    if colours:
        text = DRAWN.sub("", OWN.sub("", text))
    return [
        ascii(text[max(0, at - 60) : at + 40])
        for at, one in enumerate(text)
        if one not in "\n\t"
        and (unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") or one in BIDI or one == "\ufeff")
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A home with a job that failed, one that ended well, and a review, in a repository whose names are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    work = os.path.join(os.fsencode(folder), b"work" + NAME)
    os.mkdir(work)
    (folder / "text.json").write_text(json.dumps(TEXT))
    program = folder / "agent"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{AGENT}" "{folder}/text.json" "$@"\n')
    program.chmod(0o700)
    site = folder / "site"
    site.mkdir()
    install(site, "says", "extension", PLUGIN % ascii(TEXT))
    install(site, "raises", "extension", f"raise RuntimeError({TEXT!a})")
    install(site, "named", "extension", "raise RuntimeError()", name="evil\x1b]0;x\x07\x9b31m\u202e")
    command = Command(folder / "home", (sys.executable,))
    del command.environ["LLM_GATEWAY_PLUGINS"]
    command.environ |= {
        "LLM_GATEWAY_PROVIDERS_ECHO_EXECUTABLE": str(program),
        "LLM_GATEWAY_LOG": "INFO",
        "LLM_GATEWAY_EVIL\x1b]0;x\x07": "1",
        "PYTHONPATH": str(site),
        "HOME": str(folder),
        "TERM": "xterm-256color",
    }
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    plain = os.path.join(os.fsencode(folder), os.fsencode(f"plain{SEQUENCES[:40]}".replace("/", "")))
    os.mkdir(plain)
    for place in (work, plain):
        subprocess.run([*git, "init", "-q", "-b", "main"], cwd=place, check=True)
        with open(os.path.join(place, b"code" + NAME), "w") as file:
            file.write("one\n")
        subprocess.run([*git, "add", "."], cwd=place, check=True)
        subprocess.run([*git, "commit", "-qm", SEQUENCES], cwd=place, check=True)
        with open(os.path.join(place, b"code" + NAME), "w", encoding="utf-8") as file:
            file.write(SEQUENCES)
    for words in (("ask", "echo", "hello"), ("ask", "echo", "FAIL", "--new")):
        run(command, *words, cwd=plain)
    jobs = command.json("jobs", "list")["jobs"]
    states = {job["status"]: job["id"] for job in jobs}
    assert set(states) == {"completed", "failed"}, jobs
    session = command.json("sessions", "list")["sessions"][0]["gatewaySessionId"]
    return SimpleNamespace(command=command, work=work, plain=plain, states=states, session=session)


def ways(world: SimpleNamespace, subcommand: tuple[str, ...]) -> list[list[str | bytes]]:
    """The arguments with which a subcommand is called."""
    if subcommand == ("serve",):
        return [["--transport", f"x{SEQUENCES}"], ["--prime"]]
    if subcommand == ("ask",):
        return [
            ["echo", "hello"],
            ["echo", "FAIL"],
            [f"none{SEQUENCES}", SEQUENCES],
            ["echo", "x", "--model", SEQUENCES],
        ]
    if subcommand == ("jobs", "result"):
        ids = list(world.states.values())
        return [[one, *more] for one in ids for more in ([], ["--json"], ["--raw", "stdout"], ["--raw", "stderr"])]
    if subcommand in {("demo",), ("plugin", "new"), ("jobs", "cancel"), ("sessions", "delete")}:
        return [WORDS[subcommand]]
    if subcommand == ("review",):
        return [[*WORDS[subcommand], "--format", form] for form in ("text", "json", "markdown", "github", "sarif")]
    found = list(WORDS.get(subcommand, []))
    if found == ["x"]:
        sessions = subcommand[0] in ("sessions", "cache")
        every = [world.session] if sessions else list(world.states.values())
        return [[one, *more] for one in (*every, f"x{SEQUENCES}") for more in ([], ["--json"])]
    takes_json = subcommand[0] in ("plugins", "doctor", "config", "cache", "jobs", "sessions")
    return [found, [*found, "--json"]] if takes_json else [found]


def wheres(world: SimpleNamespace, subcommand: tuple[str, ...]) -> list[bytes]:
    """The directories in which it is called: one has a hostile name itself."""
    return [world.work, world.plain] if subcommand in {("ask",), ("review",), ("sessions", "use")} else [world.work]


@pytest.mark.parametrize("subcommand", every_subcommand(), ids=" ".join)
def test_no_control_character_of_anybody_reaches_the_terminal(world, subcommand: tuple[str, ...]) -> None:
    shown = False
    for where in wheres(world, subcommand):
        for words in ways(world, subcommand):
            seen = run(world.command, *subcommand, *words, cwd=where)
            assert harmful(seen, colours=subcommand in DRAWING) == [], words
            _, _, trace = seen.partition(b"Traceback (")
            assert not trace, trace.decode("utf-8", "replace")[:6000]
            shown = shown or bool(seen)
    assert shown, "it says nothing at all: the test sees nothing"


@pytest.mark.parametrize("subcommand", every_subcommand(), ids=" ".join)
def test_wrong_arguments_are_quoted_without_their_controls(world, subcommand: tuple[str, ...]) -> None:
    seen = run(
        world.command, *subcommand, f"--no-such{SEQUENCES}", os.fsencode(f"x{SEQUENCES}") + b"\x9b", cwd=world.work
    )
    assert b"usage: " in seen
    assert harmful(seen, colours=False) == []


@pytest.mark.parametrize(
    "subcommand", [("doctor",), ("plugins",), ("jobs", "list"), ("jobs", "show"), ("sessions", "show")], ids=" ".join
)
def test_colours_are_the_commands_own(world, subcommand: tuple[str, ...]) -> None:
    world.command.environ.pop("NO_COLOR")
    try:
        for words in ways(world, subcommand):
            seen = run(world.command, *subcommand, *words, cwd=world.work)
            assert harmful(seen, colours=True) == [], words
            assert b"\x1b[35m" not in seen
    finally:
        world.command.environ["NO_COLOR"] = "1"


def test_settings_that_cannot_be_used_are_told_without_controls(world, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    key = json.dumps(SEQUENCES.replace("\x7f", "").encode("utf-8", "ignore").decode())
    config.write_text(f"{key} = 1\n[store]\nurl = {key}\n[providers.{key}]\nx = {key}\n", encoding="utf-8")
    for subcommand in (("doctor",), ("config",), ("jobs", "list")):
        seen = run(world.command, *subcommand, cwd=world.work, LLM_GATEWAY_CONFIG=str(config))
        assert b"store" in seen
        assert harmful(seen, colours=False) == []
    config.write_bytes(b'x = "\x1b]0;t\x07\xff"\n')
    assert harmful(run(world.command, "config", cwd=world.work, LLM_GATEWAY_CONFIG=str(config)), colours=False) == []


def test_over_mcp_half_a_character_is_no_internal_error(world) -> None:
    """Neither in an answer nor in the name of a directory, which every later list of jobs shows."""
    command = [Path(sys.executable).with_name("llm-gateway"), "serve"]
    with subprocess.Popen(
        command,
        env=world.command.environ,
        cwd=world.work,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            talk(process, 1, "initialize", HELLO)
            for number, (name, arguments) in enumerate(
                [
                    ("echo_request", {"prompt": "hello"}),
                    ("echo_request", {"prompt": "FAIL"}),
                    ("llm_job_list", {}),
                    *(("llm_job_result", {"jobId": one}) for one in world.states.values()),
                    ("session_list", {}),
                ],
                2,
            ):
                answer = talk(process, number, "tools/call", {"name": name, "arguments": arguments})
                assert "internal error" not in answer["content"][0]["text"]
                json.dumps(answer, ensure_ascii=False).encode()
        finally:
            process.kill()


def test_a_log_of_a_ci_runner_holds_no_command_of_others(world) -> None:
    done = subprocess.run(
        world.command.argv("jobs", "wait", "x", "--no\n::error::evil"),
        env=world.command.environ | {"GITHUB_ACTIONS": "true"},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    lines = (done.stdout + done.stderr).decode().splitlines()
    assert any("error::evil" in line for line in lines)
    assert not [line for line in lines if line.lstrip().startswith(("::", "##["))]
