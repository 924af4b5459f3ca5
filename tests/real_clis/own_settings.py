"""What each bare program takes from its user, and how a test finds out: one case for each program."""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.real_clis.tools import shell, write

if TYPE_CHECKING:
    from tests.conftest import ModelServer
    from tests.real_clis.agent import RealAgent

BARE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What the model service was sent in one request."""

    model: str
    headers: Mapping[str, str]
    text: str  #: the body


class OwnSettings(ABC):
    """One program, whose user has settings. The environment names no service and no account: only the settings do."""

    name: str  #: the provider's, and its fixture's
    headers: tuple[str, ...]  #: those that say who asks
    own_header: str  #: the one that only the user's settings bring
    model: str  #: the model that the user's settings name
    instructions: tuple[str, ...]  #: words in every instruction file that the bare program reads, in its order
    project: tuple[str, ...]  #: those of them that are the project's
    kept: tuple[str, ...] = ()  #: those that the program reads in every run, whatever it is told

    def __init__(self, agent: RealAgent, model_server: ModelServer) -> None:
        self.agent = agent
        self.model_server = model_server
        self.home = Path(agent.environ["HOME"])
        self.repository = agent.work
        (self.repository / ".git").mkdir()
        self.ran = agent.folder / "ran"

    @abstractmethod
    def settings(self) -> None:
        """Write the user's settings: model, service, account and headers."""

    @abstractmethod
    def write_instructions(self) -> None:
        """Write every instruction file that the bare program reads."""

    @abstractmethod
    def user_hooks(self) -> None:
        """Add hooks that touch `ran` to the user's settings."""

    @abstractmethod
    def user_servers(self) -> None:
        """Add an MCP server that touches `ran` to the user's settings, and one that is this gateway."""

    @abstractmethod
    def project_settings(self, model: str, *, hostile: bool) -> None:
        """Write project settings with a model, and hooks and servers that touch `ran`.

        :param hostile: also another service and a credential helper that touches `ran`.
        """

    @abstractmethod
    def serve_without_settings(self, **keys: Any) -> None:
        """Name the model service to the gateway without the user's settings. `keys`: see `gateway`."""

    @abstractmethod
    def lax(self) -> None:
        """Have the user's settings allow everything, and trust the working directory."""

    @abstractmethod
    def bare_argv(self) -> list[str]:
        """The command that asks the bare program; the prompt comes on stdin."""

    def trap(self) -> str:
        """A program that touches `ran`."""
        path = self.agent.folder / "trap.sh"
        path.write_text(f"#!/bin/sh\ntouch {self.ran}\n")
        path.chmod(0o755)
        return str(path)

    def gateway(self, **keys: Any) -> None:
        """Set keys of `[providers.<name>]`."""
        folder = self.agent.folder / "gateway"
        folder.mkdir(mode=0o700, exist_ok=True)
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in keys.items()]
        (folder / "config.toml").write_text(f"[providers.{self.name}]\n" + "".join(lines))

    def ask_bare(self) -> Sent:
        """What the bare program sends, in the same directory and home."""
        done = subprocess.run(
            self.bare_argv(),
            input=b"SAY:bare",
            cwd=self.agent.work,
            env=self.agent.environ,
            capture_output=True,
            timeout=BARE_S,
            check=False,
        )
        assert b"bare" in done.stdout, done.stdout + done.stderr
        return self.last()

    def ask(self, **asked: Any) -> Sent:
        """What the gateway's run sends."""
        outcome = self.agent.ask("SAY:x", **asked)
        assert (outcome.text, outcome.error) == ("x", None), outcome
        return self.last()

    def last(self) -> Sent:
        """The last request to the model."""
        entry = [entry for entry in self.model_server.log(bodies=True) if entry.get("model")][-1]
        kept = {name: entry["headers"].get(name, "") for name in self.headers}
        return Sent(model=entry["model"], headers=kept, text=json.dumps(entry["body"]))

    def tries(self) -> dict[Path, str]:
        """Prompts that write a file inside or outside of the working directory, by the tool that edits and by a program."""
        places = {"in": self.agent.work, "out": self.agent.folder}
        found = {folder / f"{name}-edit.txt": "" for name, folder in places.items()}
        tries = {path: write(self.name, path) for path in found}
        for name, folder in places.items():
            path = folder / f"{name}-shell.txt"
            command = f"/usr/bin/python3 -c \"open('{path}', 'w')\""
            tries[path] = shell(self.name, command)
        return tries
