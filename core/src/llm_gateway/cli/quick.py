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
from llm_gateway.before_opening import only, settings_text, store_and_engine
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
        settings = settings_text(self._environ)
        if key(self._environ, settings, self._points) not in _read_marks(home):
            return None
        urls = store_and_engine(settings, self._environ)
        open_reader = only(self._points, "store_reader", urls["store"])
        is_alive = only(self._points, "lease_check", urls["engine"])
        if open_reader is None or is_alive is None:
            return None
        reader: StoreReader | None = open_reader(urls["store"], home)
        if reader is not None and not all(is_alive(home, owner) for owner in reader.unfinished_owners()):
            reader.close()
            return None
        return reader


class Mark:
    """The mark of a full start. It describes the settings as they were before the start read them."""

    def __init__(self, environ: Mapping[str, str], points: Sequence[EntryPoint]) -> None:
        self._home = self._key = ""
        with suppress(OSError, ValueError):  # the start reports it
            self._key = key(environ, settings_text(environ), points)
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


def _read_marks(home: str) -> list[str]:
    try:
        return read_regular(os.path.join(home, _MARKS), most_bytes=1000).decode("ascii", "replace").split("\n")
    except OSError:
        return []
