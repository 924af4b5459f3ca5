"""Every subcommand of the command line, and words that make each do something."""

from __future__ import annotations

import argparse

from llm_gateway.cli.plugin_commands import every_command

#: What a subcommand needs to do something. Whatever is not named here is called without words.
WORDS = {
    ("ask",): ["echo", "hello"],
    ("jobs", "show"): ["x"],
    ("jobs", "tail"): ["x"],
    ("jobs", "wait"): ["x"],
    ("jobs", "cancel"): ["x"],
    ("jobs", "result"): ["x"],
    ("sessions", "show"): ["x"],
    ("sessions", "use"): ["none", "--provider", "echo"],
    ("sessions", "delete"): ["x"],
    ("cache", "explain"): ["x"],
    ("plugin", "new"): ["policy", "planted", "--into", "new"],
    ("connect",): ["codex", "--dry-run"],
    ("disconnect",): ["codex", "--dry-run"],
    ("review",): ["--with", "echo", "--uncommitted"],
    ("demo",): ["--providers", "echo,echo,echo", "--json"],
}


def every_subcommand() -> list[tuple[str, ...]]:
    """Each as a tuple: the command, and its verb if it has verbs."""
    return _below(every_command({}))


def _below(parser: argparse.ArgumentParser, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                needed = any(isinstance(one, argparse._SubParsersAction) and one.required for one in inner._actions)
                found += [*([] if needed else [(*before, name)]), *_below(inner, (*before, name))]
    return found
