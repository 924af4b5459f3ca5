"""`llm-gateway trust`: the directories whose own settings of a CLI apply. Only a person changes them, never a run."""

from __future__ import annotations

import argparse
import os

from llm_gateway import trust
from llm_gateway.cli.exits import Exit, UsageError
from llm_gateway.cli.screen import say, say_json
from llm_gateway.locations import LocationError, expand_user
from llm_gateway.settings import load_settings

#: Variables that every process of a run has.
_OF_A_RUN = ("LLM_GATEWAY_JOB", "LLM_GATEWAY_DEPTH")
_PARENTS = 64


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    home = load_settings(os.environ).home
    try:
        if options.verb == "list":
            found = trust.trusted_directories(home)
            if options.json:
                say_json({"directories": list(found)})
            else:
                say("\n".join(found) if found else "no directory is trusted")
            return Exit.OK
        if _in_a_run():
            raise UsageError("only you can change what is trusted: run this in a terminal, not in a run of an agent")
        directory = _directory(options.directory)
        if options.verb == "add":
            if not os.path.isdir(directory):
                raise UsageError(f"there is no directory {directory}")
            trust.add(home, directory)
            said, changed = f"trusted: {directory}", True
        else:
            changed = trust.remove(home, directory)
            said = f"trusted no longer: {directory}" if changed else f"it was not trusted: {directory}"
    except (trust.TrustError, OSError) as error:
        raise UsageError(str(error)) from error
    if options.json:
        say_json({"directory": directory, "changed": changed})
    else:
        say(said)
    return Exit.OK if changed else Exit.FAILED


def _directory(named: str) -> str:
    try:
        return os.path.realpath(expand_user(named, os.environ))
    except (LocationError, ValueError) as error:
        raise UsageError(str(error)) from error


def _in_a_run() -> bool:
    """Return whether this process belongs to a run: it or one of its ancestors has a run's variables (Linux), or only it itself."""
    return any(os.environ.get(name) not in (None, "", "0") for name in _OF_A_RUN) or _ancestor_in_a_run()


def _ancestor_in_a_run() -> bool:
    pid = os.getppid()
    for _ in range(_PARENTS):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                names = {entry.partition(b"=")[0] for entry in file.read().split(b"\0")}
            with open(f"/proc/{pid}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):  # another user's process, or not Linux
            return False
        if b"LLM_GATEWAY_JOB" in names:
            return True
        pid = parent
    return False
