"""A home whose agents say what the test has written for them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.integration.gateway.world import Home

PROGRAM = Path(__file__).with_name("scripted_echo.py")


def said(verdict: str, *findings: dict[str, Any], words: str = "I have looked.") -> str:
    """A review in its form."""
    return f"{words}\n\n```json\n{json.dumps({'findings': findings})}\n```\n\n{verdict}"


def finding(title: str = "The answer is wrong", **more: Any) -> dict[str, Any]:
    return {"file": "code.py", "line": 1, "severity": "high", "cause": "wrong value", "title": title, **more}


class Script:
    """What the agents say, and what they were asked."""

    def __init__(self, home: Home) -> None:
        self.folder = home.path.parent
        program = self.folder / "scripted"
        real = Path(sys.executable).with_name("llm-gateway-echo")
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{PROGRAM}" "{self.folder}" "{real}" "$@"\n')
        program.chmod(0o700)
        home.env["LLM_GATEWAY_PROVIDERS_ECHO_EXECUTABLE"] = str(program)
        self.script: dict[str, dict[str, list[Any]]] = {}

    def say(self, role: str, *answers: Any, model: str = "echo-1") -> None:
        """The answers of a model in a role, turn by turn."""
        self.script.setdefault(model, {})[role] = list(answers)
        (self.folder / "script.json").write_text(json.dumps(self.script))

    def gate(self, name: str) -> Path:
        """A gate at which an agent waits."""
        path = self.folder / name
        os.mkfifo(path)
        return path

    def prompt(self, role: str, number: int = 1, model: str = "echo-1") -> str:
        """What an agent was asked."""
        return (self.folder / f"prompt-{model}-{role}-{number}").read_text()

    @property
    def started(self) -> list[str]:
        """Every start of an agent, oldest first: model, role, fresh or resumed."""
        path = self.folder / "ledger"
        lines = path.read_text().splitlines() if path.exists() else []
        return [" ".join([*json.loads(line[: line.index("]") + 1]), line.split()[2]]) for line in lines]
