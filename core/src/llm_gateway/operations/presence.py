"""Find out which providers have a program on this machine. Tools of a provider without one are not listed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_gateway.installations import searched_folders
from llm_gateway.planning.invocation import ProgramSearch, override_for, program_search

if TYPE_CHECKING:
    from llm_gateway.model.provider import ProviderInfo
    from llm_gateway.settings import Settings

#: A program can appear without a change of its folder (`chmod +x`, the target of a link): then it is found after this time.
_SEARCH_AGAIN_S = 30.0


class Presence:
    """The results of the last search for programs. `look` blocks: call it in a thread. The rest is read from memory."""

    def __init__(self, providers: Mapping[str, ProviderInfo], settings: Settings, environ: Mapping[str, str]) -> None:
        self._environ = environ
        #: The searches for the programs of each provider; one that finds a program is enough.
        self.searches = {name: _searches(info, settings, environ) for name, info in providers.items()}
        self._folders: Mapping[str, int] = {}  # folder -> its modification time in ns; 0: there is none
        self._searched_at = 0.0
        self._found: Mapping[ProgramSearch, bool] = {}

    @property
    def absent(self) -> frozenset[str]:
        """The names of the providers without a program."""
        found = self.programs
        return frozenset(
            name for name, searches in self.searches.items() if not any(found[search] for search in searches)
        )

    @property
    def programs(self) -> Mapping[ProgramSearch, bool]:
        """Every search for a program, and whether it found one. Only the first use searches."""
        if not self._found:
            self.look()
        return self._found

    def look(self) -> bool:
        """Search again, and return whether a program appeared or disappeared since the last search.

        If no searched folder has changed, this costs one stat call for each of about 60 folders.
        """
        folders = self._folder_times()
        now = time.monotonic()
        if self._found and folders == self._folders and now - self._searched_at < _SEARCH_AGAIN_S:
            return False
        distinct = {search for searches in self.searches.values() for search in searches}
        found = {search: search.find(self._environ) is not None for search in distinct}
        changed = found != self._found
        self._found, self._folders, self._searched_at = found, folders, now
        return changed

    def _folder_times(self) -> dict[str, int]:
        folders = dict.fromkeys(searched_folders(self._environ))
        for searches in self.searches.values():
            for search in searches:
                if os.path.isabs(search.name):
                    folders[os.path.dirname(search.name)] = None
                elif search.folders:
                    folders.update(dict.fromkeys(searched_folders(self._environ, search.folders)))
        return {folder: _modified(folder) for folder in folders}


def _searches(whole: ProviderInfo, settings: Settings, environ: Mapping[str, str]) -> tuple[ProgramSearch, ...]:
    override = settings.provider(whole.name).executable
    found = (program_search(info, override_for(whole, info, override), environ) for info in whole.programs.values())
    return tuple(dict.fromkeys(found))


def _modified(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except (OSError, ValueError):  # ValueError: a NUL byte in PATH
        return 0
