"""The subcommands that installed distributions declare.

A plugin declares a subcommand with an entry point of the group `llm_gateway.commands`: its name is the subcommand, and it names a
`Command` in a module that imports only `llm_gateway.Command`. So a command is found and parsed without loading a plugin.
"""

from __future__ import annotations

import os

from llm_gateway.cli.exits import UsageError
from llm_gateway.cli.parser import FRAME
from llm_gateway.cli.quick import GROUPS
from llm_gateway.entry_points import GROUP, EntryPoint, chosen, find, is_own
from llm_gateway.model.command import Command

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COMMANDS, EXTENSIONS = f"{GROUP}commands", f"{GROUP}extension"


class InstalledCommands:
    """What the installed distributions declare. Reads their metadata once, and imports nothing of them."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.points = find(GROUPS)
        #: Sentences for `doctor` and `plugins`; `load` adds to them.
        self.problems: list[str] = []
        self._chosen = chosen(environ)
        self._declared: dict[str, EntryPoint] = {}
        self._left_out: dict[str, str] = {}
        for point in self._of(COMMANDS):
            owners = self._owners(point)
            if not owners or any(map(self._is_chosen, owners)):
                self._declare(point)
            else:
                names = " and ".join(owner.name for owner in owners)
                self._left_out[point.name] = f"{names} ({_label(point)})"

    @property
    def names(self) -> list[str]:
        """The declared subcommands, sorted."""
        return sorted(self._declared)

    def load(self, name: str) -> Command | None:
        """Import a declared subcommand. None: there is none of this name. Raises UsageError if it is broken or left out."""
        point = self._declared.get(name)
        if point is None and name in self._left_out:
            raise UsageError(
                f"the command {name} belongs to the plugin {self._left_out[name]}, which LLM_GATEWAY_PLUGINS leaves out"
            )
        if point is None:
            return None
        try:
            command = point.load()
            if not isinstance(command, Command) or command.name != name:
                raise TypeError(f"{point.value} is not a Command with this name")
            problem = problem_of(command)
            if problem:
                raise TypeError(problem)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise UsageError(
                f"the command {name} of {_label(point)} is broken: {type(error).__name__}: {error}"
            ) from error
        return command

    def load_all(self) -> list[Command]:
        """Import every declared subcommand. Broken ones are left out and become problems."""
        return [command for command in map(self._load_or_note, self.names) if command is not None]

    def _load_or_note(self, name: str) -> Command | None:
        try:
            return self.load(name)
        except UsageError as error:
            self.problems.append(str(error))
            return None

    def strangers(self) -> list[str]:
        """The extensions that may have subcommands that nobody declared: not of the product, without a declaration."""
        declaring = {one.folder for point in self._of(COMMANDS) for one in point.distributions}
        return [
            point.name
            for point in self._of(EXTENSIONS)
            if self._is_chosen(point)
            and not is_own(point)
            and not any(one.folder in declaring for one in point.distributions)
        ]

    def declares(self, extension: EntryPoint | None, name: str) -> bool:
        """Return whether the distribution of an extension declares this subcommand. Then its hook need not, and may."""
        if extension is None:
            return False
        folders = {one.folder for one in extension.distributions}
        return any(
            point.name == name and not folders.isdisjoint(one.folder for one in point.distributions)
            for point in self._of(COMMANDS)
        )

    def _of(self, group: str) -> list[EntryPoint]:
        return [point for point in self.points if point.group == group]

    def _declare(self, point: EntryPoint) -> None:
        other = self._declared.get(point.name)
        if point.name in FRAME:
            self.problems.append(f"{_label(point)}: the command {point.name} exists already: it is the gateway's own")
        elif other is None:
            self._declared[point.name] = point
        else:
            keeper, loser = (point, other) if is_own(point) and not is_own(other) else (other, point)
            self._declared[point.name] = keeper
            self.problems.append(f"{_label(loser)}: the command {point.name} exists already: {_label(keeper)} keeps it")

    def _owners(self, command: EntryPoint) -> list[EntryPoint]:
        """Return the extension that a command belongs to: of its distribution, the one in the same package, or the only one."""
        folders = {one.folder for one in command.distributions}
        beside = [
            point for point in self._of(EXTENSIONS) if not folders.isdisjoint(one.folder for one in point.distributions)
        ]
        same_package = [point for point in beside if _package(point) == _package(command)]
        return same_package or (beside if len(beside) == 1 else [])

    def _is_chosen(self, extension: EntryPoint) -> bool:
        return self._chosen is None or not self._chosen.isdisjoint((extension.name, f"extension:{extension.name}"))


def problem_of(command: Command) -> str:
    """Return what is wrong with a command, or an empty string."""
    if (command.run is None) == (command.work is None):
        return f"the command {command.name} must have exactly one of run and work"
    return ""


def _package(point: EntryPoint) -> str:
    return point.value.partition(":")[0].rpartition(".")[0]


def _label(point: EntryPoint) -> str:
    names: Iterable[str] = (f"{one.name} {one.version}" for one in point.distributions)
    return " and ".join(names) or point.value
