"""Deciding what connecting and disconnecting change. Reads files, writes none."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_gateway.errors import InvalidRequest, NotInstalled
from llm_gateway.programs import find_executable
from llm_gateway_extension_connect.clients import NAME, Client
from llm_gateway_extension_connect.files import backup_of, read
from llm_gateway_extension_connect.server import Server, is_ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of a client's file."""

    file: Path
    was: str | None
    text: str | None  #: None: the file goes
    backup: str | None  #: what is kept beside it; None: nothing
    entry: Mapping[str, Any] | None  #: our server, as it will stand there

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return self.was != self.text

    def diff(self) -> str:
        """The lines that change, and no other: the file may hold secrets."""
        before, after = ((text or "").splitlines() for text in (self.was, self.text))
        return "\n".join(difflib.unified_diff(before, after, str(self.file), str(self.file), n=0, lineterm=""))


def plan_connect(client: Client, server: Server, *, trust: bool, path: str) -> Plan:
    """Decide how our server gets into the client's file. Raises NotInstalled, InvalidRequest.

    :param path: where programs are looked for.
    """
    if (
        not client.folder.is_dir()
        and not client.file.exists()
        and find_executable(client.program, {"PATH": path}) is None
    ):
        raise NotInstalled(
            f"{client.title} is not on this machine: there is neither a program {client.program} on the PATH nor {client.folder}",
            recovery="Install it and start it once, then call this command again.",
        )
    if trust and not client.trust:
        raise InvalidRequest(
            f"{client.title} has no switch in its list of servers that lets it call tools without asking",
            recovery="Leave --trust out; allow the tools when it asks, or in its own settings.",
        )
    was = read(client.file)
    found = _find(client, was)
    if found is not None and not is_ours(found):
        raise InvalidRequest(
            f"{client.file} has a server named {NAME} that is no LLM Gateway",
            recovery="Give that server another name, then call this command again.",
        )
    entry = {**(found or {}), **client.entry(server), **(client.trust if trust else {})}
    for name, old in (found or {}).items():
        if name == "env":
            entry["env"] = {**old, **server.env}
        elif name == "env_vars":
            entry["env_vars"] = sorted({*old, *server.passed})
    if found == entry:
        return Plan(file=client.file, was=was, text=was, backup=read(backup_of(client.file)), entry=entry)
    base = _without(client, was)
    text = _edit(client, lambda: client.shape.add(base or "", entry))
    return Plan(file=client.file, was=was, text=text, backup=base, entry=entry)


def plan_disconnect(client: Client) -> Plan:
    """Decide how our server gets out of the client's file: as if it had never been there. Raises InvalidRequest."""
    was = read(client.file)
    found = _find(client, was)
    ours = found is not None and is_ours(found)
    text = _without(client, was) if ours else was
    return Plan(file=client.file, was=was, text=text, backup=None if ours else read(backup_of(client.file)), entry=None)


def _find(client: Client, text: str | None) -> dict[str, Any] | None:
    return None if text is None else _edit(client, lambda: client.shape.find(text))


def _without(client: Client, text: str | None) -> str | None:
    """The file as it was before `connect`, byte for byte if it is unchanged since; otherwise without our entry."""
    entry = _find(client, text)
    if text is None or entry is None:
        return text
    kept = read(backup_of(client.file))
    try:
        if client.shape.add(kept or "", entry) == text:
            return kept
    except ValueError:  # what was kept has nothing to do with what is there now
        pass
    left: str = _edit(client, lambda: client.shape.remove(text))
    return left


def _edit(client: Client, edit: Callable[[], Any]) -> Any:
    try:
        return edit()
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise InvalidRequest(
            f"{client.file} cannot be edited: {problem}",
            recovery=f"Correct the file (does {client.title} itself start?), or add the server by hand: docs/how-to/connect.md.",
        ) from problem
