"""The prebuilt listing: what the gateway's own plugins add to the handshake and the lists, as a file of this package.

`listings.txt` is made by `make_listings.py`. Each line has columns that are separated by tabs; the last one is JSON:

    kernel        version
    initialize    the result, with @version@ and @instructions@
    instructions  for providers that are found: @found@
    instructions  if some are not found: @found@ and @absent@
    plugin        key, entry point, distribution, version
    variable      key, name: an environment variable that the plugin reads itself; it changes no list
    search        key, provider, name and folders of its program
    tools         key, provider or nothing, the tool; in the order of the list. Likewise the other lists.

It answers only if nothing else can have an influence: exactly these versions are installed, and every setting has its default.
This module imports only the standard library and kernel modules that need only it.
"""

from __future__ import annotations

import json
import os
import time

from llm_gateway.before_opening import (
    has_default_settings,
    installed_plugins,
    is_usable_home,
    kernel_version,
    searched_folders,
)
from llm_gateway_transport_mcp.handshake_key import program_states

TYPE_CHECKING = False  # without importing `typing`: the first answer of `serve` waits for this module
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llm_gateway.before_opening import EntryPoint

#: Requests of an initialized client that have one answer, the same for every client, and the member that contains the items.
LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
#: Without this plugin the tools of providers have other texts (see `Gateway.defers`).
_NEEDED = "extension:operations"
#: A program can appear without a change of its folder (`chmod +x`, the target of a link): then it is found after this time.
_SEARCH_AGAIN_S = 30.0


class Prebuilt:
    """The answers for the plugins, settings and programs of this machine."""

    follows_programs = True  #: a list that is requested after `look` fits the programs that it found
    needs_gateway = False  #: no plugin of the listing works without a request

    def __init__(self, rows: Sequence[Sequence[str]], keys: Sequence[str], environ: Mapping[str, str]) -> None:
        """Compose them.

        :param rows: the columns of the file's lines.
        :param keys: the plugins that a gateway would load.
        """
        self._rows = [row for row in rows if row[0] in ("initialize", "instructions") or row[1] in keys]
        self._searches = [(row[2], tuple(json.loads(row[3]))) for row in self._rows if row[0] == "search"]
        self._environ = environ
        self._folders: dict[str, int] = {}
        self._searched_at = 0.0
        self.programs: list[str] = []  #: the states of programs that the lists depend on
        self.look()

    def look(self) -> bool:
        """Search the programs of providers; return whether one appeared or disappeared since the last search.

        If no searched folder has changed, this costs one call of the system for each of about 60 folders.
        """
        folders, now = self._folder_times(), time.monotonic()
        if self._folders == folders and now - self._searched_at < _SEARCH_AGAIN_S:
            return False
        self._folders, self._searched_at = folders, now
        programs = program_states({search for _, search in self._searches}, self._environ)
        changed = programs != self.programs
        self.programs = programs
        return changed

    def result(self, method: str, version: str) -> str | None:
        """Return the result of a request as JSON text, in one revision of the protocol; None: another method."""
        if method == "initialize":
            (template,) = (row[1] for row in self._rows if row[0] == method)
            instructions = json.dumps(self._instructions(), ensure_ascii=False)
            return template.replace('"@instructions@"', instructions).replace("@version@", version)
        if method not in LISTS:
            return None
        absent = self._absent()
        items = [row[3] for row in self._rows if row[0] == LISTS[method] and row[2] not in absent]
        return f'{{"{LISTS[method]}":[{",".join(items)}]}}'

    def _instructions(self) -> str:
        absent = self._absent()
        all_found, some_absent = (json.loads(row[1]) for row in self._rows if row[0] == "instructions")
        found = sorted({provider for provider, _ in self._searches} - absent)
        text: str = some_absent if absent else all_found
        return text.replace("@found@", ", ".join(found) or "none").replace("@absent@", ", ".join(sorted(absent)))

    def _absent(self) -> set[str]:
        """Return the providers without a program."""
        states = dict(zip(map(_search_of, self.programs), self.programs, strict=True))
        found = {provider for provider, search in self._searches if states[search].startswith("present ")}
        return {provider for provider, _ in self._searches} - found

    def _folder_times(self) -> dict[str, int]:
        folders = dict.fromkeys(searched_folders(self._environ))
        for _, (_, *own) in self._searches:
            if own:
                folders.update(dict.fromkeys(searched_folders(self._environ, own)))
        return {folder: _modified(folder) for folder in folders}


def find_prebuilt(environ: Mapping[str, str]) -> Prebuilt | None:
    """Return the answers; None: they depend on something that the file does not contain."""
    if not is_usable_home(environ):
        return None
    rows = read_rows(os.path.join(os.path.dirname(__file__), "listings.txt"))
    if not has_default_settings(environ, {row[2] for row in rows if row[0] == "variable"}):
        return None
    known = {row[1]: row[2:] for row in rows if row[0] == "plugin"}
    plugins = installed_plugins(environ)
    keys = [plugin.key for plugin in plugins]
    if ["kernel", kernel_version()] not in rows or _NEEDED not in keys or len(set(keys)) < len(keys):
        return None
    if any(known.get(plugin.key) != facts(plugin) for plugin in plugins):
        return None
    return Prebuilt(rows, keys, environ)


def read_rows(path: str) -> list[list[str]]:
    """Return the columns of each line of the file; none if there is no such file."""
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            return [line.rstrip("\n").split("\t") for line in file]
    except FileNotFoundError:
        return []


def facts(plugin: EntryPoint) -> list[str]:
    """Return what a line `plugin` contains about an installed plugin."""
    return [plugin.value, *(f"{one.name} {one.version}" for one in plugin.distributions)]


def _search_of(state: str) -> tuple[str, ...]:
    return tuple(json.loads(state.partition(" ")[2]))


def _modified(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except (OSError, ValueError):  # ValueError: a NUL byte in PATH
        return 0
