"""The answers of an earlier start, from the manifest in the home. For plugins and settings that the prebuilt listing does not cover.

This module imports only the standard library and kernel modules that need only it.
"""

from __future__ import annotations

import json

from llm_gateway_transport_mcp.handshake_key import key, manifest_path, program_states, read_private

TYPE_CHECKING = False  # without importing `typing`: the first answer of `serve` waits for this module
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Stored:
    """The answers of one manifest."""

    follows_programs = False

    def __init__(
        self,
        results: Mapping[str, Mapping[str, str]],
        searches: Sequence[Sequence[str]],
        programs: list[str],
        environ: Mapping[str, str],
        *,
        needs_gateway: bool,
    ) -> None:
        self.needs_gateway = needs_gateway  #: a plugin works without a request, so a gateway is opened anyway
        self.programs = programs
        self._results = results
        self._searches = searches
        self._environ = environ

    def look(self) -> bool:
        """Search the programs; return whether one appeared or disappeared."""
        return program_states(self._searches, self._environ) != self.programs

    def result(self, method: str, version: str) -> str | None:
        """Return the result of a request as JSON text; None: the manifest does not contain it."""
        return self._results.get(version, {}).get(method)


def find_stored(environ: Mapping[str, str], code: Sequence[str]) -> Stored | None:
    """Return the answers of the home's manifest; None: there is none, or its key does not match.

    :param code: the result of `installed_code`.
    """
    try:
        manifest = json.loads(read_private(manifest_path(environ)) or b"null")
        searches = manifest["searches"]
        programs = program_states(searches, environ)
        if manifest["key"] != key(environ, code, programs):
            return None
        results: Mapping[str, Mapping[str, str]] = dict(manifest["results"])
        needs_gateway = bool(manifest["needs_gateway"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return Stored(results, searches, programs, environ, needs_gateway=needs_gateway)
