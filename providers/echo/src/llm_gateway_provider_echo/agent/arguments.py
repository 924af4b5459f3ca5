"""The program's command line. Options are always `--name=value`, so a value cannot be read as a flag."""

import os

from llm_gateway_provider_echo.agent.conversation import PRICES, is_session_id
from llm_gateway_provider_echo.agent.events import Failed

POSTURES = ("read_only", "plan", "prompted", "accept_edits", "workspace_write", "bypass")
ON_TERM = ("exit", "ignore", "flush")
USAGE = """\
usage: llm-gateway-echo [--session-id=UUID | --resume=UUID] [--model=NAME] [--posture=LEVEL]
                        [--add-dir=PATH]... [--allow-tool=NAME]... [--deny-tool=NAME]... [--mcp-config=FILE]
                        [--scenario=NAME] [--amount=N] [--delay-ms=N] [--on-term=exit|ignore|flush]
                        | --version | --help

An imitation agent: answers the prompt on stdin with `echo: <prompt>`, as JSON lines on stdout.
"""


class Arguments:
    """The parsed command line. Raises Failed with exit code 2 for a wrong one."""

    def __init__(self, arguments: list[str]) -> None:
        lists: dict[str, list[str]] = {"add-dir": [], "allow-tool": [], "deny-tool": []}
        single = {"model": "echo-1", "posture": "prompted", "scenario": "echo", "on-term": "exit"}
        numbers = {"amount": "0", "delay-ms": "0"}
        ids = {"session-id": "", "resume": "", "mcp-config": ""}
        given = {**single, **numbers, **ids}
        for argument in arguments:
            name, equals, value = argument[2:].partition("=")
            if not (argument.startswith("--") and equals and (name in given or name in lists)):
                raise Failed("usage", f"unknown option {argument!r}", exit_code=2)
            if name in lists:
                lists[name].append(value)
            else:
                given[name] = value
        for name in numbers:
            if not (given[name].isascii() and given[name].isdecimal()):
                raise Failed("usage", f"--{name} must be a whole number", exit_code=2)
        if given["posture"] not in POSTURES or given["on-term"] not in ON_TERM:
            raise Failed("usage", "--posture or --on-term has no such value", exit_code=2)
        if given["session-id"] and given["resume"]:
            raise Failed("usage", "--session-id and --resume exclude each other", exit_code=2)
        if given["session-id"] and not is_session_id(given["session-id"]):
            raise Failed("usage", "--session-id must be a UUID in lower case", exit_code=2)
        self.session_id, self.resume = given["session-id"], given["resume"]
        self.model, self.posture = given["model"], given["posture"]
        self.scenario, self.on_term = given["scenario"], given["on-term"]
        self.amount, self.delay_s = int(given["amount"]), int(given["delay-ms"]) / 1000
        self.add_dirs, self.allow_tools, self.deny_tools = lists["add-dir"], lists["allow-tool"], lists["deny-tool"]
        self.mcp_config = given["mcp-config"]

    def settings(self) -> dict[str, object]:
        """Return what the run may do, for the session event."""
        return {
            "posture": self.posture,
            "workingDir": os.getcwd(),
            "addDirs": self.add_dirs,
            "allowedTools": self.allow_tools,
            "disallowedTools": self.deny_tools,
            "mcpServers": self._mcp_servers(),
        }

    def check_model(self) -> None:
        """Raise Failed for a model that does not exist."""
        if self.model not in PRICES or self.scenario == "bad_model":
            raise Failed("bad_model", f"model {self.model!r} does not exist; known: {', '.join(PRICES)}")

    def _mcp_servers(self) -> list[str]:
        if not self.mcp_config:
            return []
        import json

        with open(self.mcp_config, encoding="utf-8") as file:
            return list(json.load(file)["mcpServers"])
