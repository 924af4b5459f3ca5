"""The scene of the picture: real agents, a repository with a real defect, a shell in a terminal, and what it shows over time."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte

from llm_gateway_extension_verify.loopback.app import ModelServer
from tests.pictures.reviewers import BEFORE, CHANGED, Reviewers
from tests.pictures.svg import Cell, Frame
from tests.real_clis.installing import install

COLUMNS, ROWS = 92, 32
COMMANDS = ("git diff", "llm-gateway review --with codex,gemini,grok --fix-with claude", "echo exit code $?")
_PROMPT = "$ "
_PATIENCE_S = 240.0


@contextmanager
def served() -> Iterator[str]:
    """The address of a model service whose models are the picture's."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    urls: list[str] = []
    over = asyncio.Event()

    async def serve() -> None:
        server = await ModelServer(Reviewers()).start()
        urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        ready.set()
        await over.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        loop.close()


def settings(folder: Path, url: str) -> str:
    """The gateway's settings file: where each agent lies, and an environment that reaches nothing but the model service."""
    service = f'{{name="local",base_url="{url}/openai/v1",env_key="CODEX_API_KEY",wire_api="responses"}}'
    codex = ['model_provider="local"', f"model_providers.local={service}"]
    own = {
        "codex": {"CODEX_API_KEY": "any", "CODEX_HOME": str(folder / "codex")},
        "gemini": {"GEMINI_API_KEY": "any", "GOOGLE_GEMINI_BASE_URL": url},
        "grok": {
            "XAI_API_KEY": "any",
            "GROK_HOME": str(folder / "grok"),
            "GROK_XAI_API_BASE_URL": f"{url}/v1",
            "https_proxy": "http://127.0.0.1:9",
        },
        "claude": {"ANTHROPIC_API_KEY": "any", "ANTHROPIC_BASE_URL": url, "CLAUDE_CONFIG_DIR": str(folder / "claude")},
    }
    parts = []
    for name, environ in own.items():
        env = ", ".join(f"{key} = {json.dumps(value)}" for key, value in environ.items())
        lines = [f"[providers.{name}]", f"executable = {json.dumps(str(install(name)))}", f"env = {{ {env} }}"]
        parts.append("\n".join([*lines, f"overrides = {json.dumps(codex)}"] if name == "codex" else lines))
    return "\n\n".join(parts) + "\n"


def prepare(folder: Path, url: str) -> dict[str, str]:
    """Make homes, settings and the repository; the shell's environment."""
    for name in ("home", "gateway", "codex", "grok", "claude", "shop", "bin"):
        (folder / name).mkdir(mode=0o700)
    (folder / "gateway" / "config.toml").write_text(settings(folder, url))
    (folder / "bin" / "llm-gateway").symlink_to(Path(sys.executable).with_name("llm-gateway"))
    (folder / "home" / ".inputrc").write_text("set enable-bracketed-paste off\n")
    environ = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "LLM_GATEWAY_HOME": str(folder / "gateway"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PAGER": "cat",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PS1": _PROMPT,
    }
    shop = folder / "shop"
    (shop / "pay.py").write_text(BEFORE)
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Charge a card")):
        subprocess.run(["git", *words], cwd=shop, env=environ, check=True)
    (shop / "pay.py").write_text(CHANGED)
    return environ


class Terminal:
    """A terminal with a shell in it, and every picture that it showed."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.frames: list[Frame] = []
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._begun = time.monotonic()
        self._master, slave = os.openpty()
        subprocess.run(["stty", "cols", str(COLUMNS), "rows", str(ROWS)], stdin=slave, check=True)
        command = ["bash", "--norc", "--noprofile", "-i"]
        streams = {"stdin": slave, "stdout": slave, "stderr": slave}
        self._shell = subprocess.Popen(command, cwd=folder, env=environ, start_new_session=True, **streams)
        os.close(slave)

    def enter(self, command: str) -> None:
        """Type a command when the shell waits for one, and wait until it waits again."""
        self._until(self._prompts)
        os.write(self._master, command.encode())
        self._until(lambda: self._prompts(command))
        os.write(self._master, b"\n")
        self._until(lambda: not self._prompts(command))
        self._until(self._prompts)

    def close(self) -> None:
        """End the shell."""
        self._shell.kill()
        self._shell.wait(10)
        os.close(self._master)

    def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            assert time.monotonic() - self._begun < _PATIENCE_S, f"no end: {self._screen.display}"
            wait = 1.0
            while select.select([self._master], [], [], wait)[0]:
                self._stream.feed(os.read(self._master, 65536))
                wait = 0.03  # one picture for what is written at once
            self.frames.append((time.monotonic() - self._begun, self._rows()))

    def _prompts(self, typed: str = "") -> bool:
        """Whether the shell waits at its prompt, with this on the line."""
        screen, line = self._screen, _PROMPT + typed
        return screen.cursor.x == len(line) and screen.display[screen.cursor.y].rstrip() == line.rstrip()

    def _rows(self) -> list[list[Cell]]:
        rows = map(self._screen.buffer.__getitem__, range(ROWS))
        return [[Cell(row[column].data, row[column].fg, row[column].bold) for column in range(COLUMNS)] for row in rows]


def played(folder: Path, environ: dict[str, str]) -> list[Frame]:
    """Have the commands typed; what was seen."""
    terminal = Terminal(folder / "shop", environ)
    try:
        for command in COMMANDS:
            terminal.enter(command)
    finally:
        terminal.close()
    return terminal.frames
