"""Run a short command that only reads the store, without plugins, settings models and event loop.

That is allowed only where a full start would find nothing to report and nothing to do:

- The same settings were found valid, without a warning, by a full start of the same installation. It leaves a mark in the home: a
  checksum of the settings file, the variables `LLM_GATEWAY_*` and the installed plugins.
- The home and the store exist, have their permissions, and the store has the present schema.
- The gateway of every unfinished job is running, so there is no job to take over.

In all other cases, also after any error, the full start follows. It reports what is wrong.
"""

from __future__ import annotations

import os
from contextlib import suppress
from zlib import adler32, crc32

import llm_gateway
from llm_gateway.entry_points import GROUP, KINDS, EntryPoint
from llm_gateway.files import read_regular, write_atomic
from llm_gateway.locations import config_file, home_directory

TYPE_CHECKING = False  # without importing `typing`
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from llm_gateway.model.store import OpenReader, StoreReader

#: The groups of entry points that decide what a quick attempt does, and which settings are valid.
GROUPS = tuple(GROUP + name for name in ("commands", "store_reader", "lease_check", *KINDS))
_MARKS = "settings.checked"
_MOST_MARKS = 8  #: one for each environment in which the command is used
_NOT_SETTINGS = ("LLM_GATEWAY_JOB", "LLM_GATEWAY_TRACE_HOOKS")
_MOST_BYTES = 1 << 20
_DEFAULTS = {"store": "sqlite:", "engine": "local:"}  # as in settings/model.py; a test compares them


class Quick:
    """One quick attempt to run a command."""

    def __init__(self, environ: Mapping[str, str], points: Sequence[EntryPoint]) -> None:
        self._environ = environ
        self._points = points
        self._reader: StoreReader | None = None

    def run(self, command: Callable[[OpenReader, argparse.Namespace], int | None], arguments: Any) -> int | None:
        """Run the command; None: a full start must do it, nothing was printed."""
        try:
            return command(self._open, arguments)
        finally:
            if self._reader is not None:
                self._reader.close()

    def _open(self) -> StoreReader | None:
        try:
            self._reader = self._usable_reader()
        except Exception:  # whatever it is, the full start finds it too and reports it
            return None
        return self._reader

    def _usable_reader(self) -> StoreReader | None:
        if self._environ.get("LLM_GATEWAY_TRACE_HOOKS", "") not in ("", "0"):
            return None
        home = home_directory(self._environ)
        facts = os.lstat(home)
        if facts.st_mode & 0o7777 != 0o700 or facts.st_uid != os.geteuid():
            return None
        settings = _settings_file(self._environ)
        if key(self._environ, settings, self._points) not in _read_marks(home):
            return None
        urls = _urls(settings, self._environ)
        open_reader = self._function("store_reader", urls["store"])
        is_alive = self._function("lease_check", urls["engine"])
        if open_reader is None or is_alive is None:
            return None
        reader: StoreReader | None = open_reader(urls["store"], home)
        if reader is not None and not all(is_alive(home, owner) for owner in reader.unfinished_owners()):
            reader.close()
            return None
        return reader

    def _function(self, group: str, url: str) -> Any:
        scheme = url.partition(":")[0]
        named = [point for point in self._points if (point.group, point.name) == (GROUP + group, scheme)]
        return named[0].load() if len(named) == 1 else None


class Mark:
    """The mark of a full start. It describes the settings as they were before the start read them."""

    def __init__(self, environ: Mapping[str, str], points: Sequence[EntryPoint]) -> None:
        self._home = self._key = ""
        with suppress(OSError, ValueError):  # the start reports it
            self._key = key(environ, _settings_file(environ), points)
            self._home = home_directory(environ)

    def leave(self) -> None:
        """Leave it in the home: the settings are valid, and there was nothing to report. Blocking. Errors are ignored."""
        with suppress(OSError):
            marks = _read_marks(self._home) if self._home else [self._key]
            if self._key not in marks:
                lines = [self._key, *marks][:_MOST_MARKS]
                write_atomic(os.path.join(self._home, _MARKS), "\n".join(lines).encode())


def key(environ: Mapping[str, str], settings: bytes | None, points: Sequence[EntryPoint]) -> str:
    """Return a checksum of everything that decides whether settings are valid.

    It finds changes; it is no protection, because a user who can write the home can write the settings as well.
    """
    names = [name for name in environ if name.startswith("LLM_GATEWAY_") and name not in _NOT_SETTINGS]
    parts = [f"{name}={environ[name]}" for name in names]
    for point in points:
        folders = ",".join(one.folder for one in point.distributions)
        parts.append(f"{point.group}:{point.name}={point.value} {folders}")
    parts = [llm_gateway.__version__, config_file(environ), repr(settings is None), *sorted(parts)]
    text = "\0".join(parts).encode("utf-8", "surrogateescape") + b"\0" + (settings or b"")
    return f"{len(text):x}-{crc32(text):08x}-{adler32(text):08x}"


def _settings_file(environ: Mapping[str, str]) -> bytes | None:
    """Return the content of the settings file; None: there is none. Raises OSError if it cannot be read."""
    try:
        return read_regular(config_file(environ), most_bytes=_MOST_BYTES, follow=True)
    except FileNotFoundError:
        return None


def _read_marks(home: str) -> list[str]:
    try:
        return read_regular(os.path.join(home, _MARKS), most_bytes=1000).decode("ascii", "replace").split("\n")
    except OSError:
        return []


def _urls(settings: bytes | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the URL of store and engine. The settings are valid."""
    tables: Mapping[str, Any] = {}
    if settings:
        import tomli

        tables = tomli.loads(settings.decode("utf-8-sig"))
    return {
        name: environ.get(f"LLM_GATEWAY_{name.upper()}_URL") or tables.get(name, {}).get("url", default)
        for name, default in _DEFAULTS.items()
    }
