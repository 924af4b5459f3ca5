"""Where runs are kept: `<home>/reviews/<id>/`. Every function blocks: call it in a thread.

While a run is not over there is a file `<home>/reviews/.open/<id>`. Whoever drives the run holds a lock on it for as long as he
lives: nobody has to guess whether a run is driven.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from llm_gateway import from_json, to_json
from llm_gateway.files import read_regular
from llm_gateway_extension_review.state import Run

_ID = re.compile(r"rv-[0-9a-f]{16}")
_OPEN = ".open"
_MOST_BYTES = 256 << 20  #: of one file of a run


class Folder:
    """All runs of a home."""

    def __init__(self, home: Path) -> None:
        self._root = home / "reviews"

    def save(self, run: Run) -> None:
        """Keep what is known of a run."""
        self._lay(self._root / run.id, "state.json", to_json(run))

    def load(self, run_id: str) -> Run | None:
        """What is known of a run; None: there is none, or not any more."""
        if not _ID.fullmatch(run_id):
            return None
        try:
            return from_json(Run, read_regular(self._root / run_id / "state.json", most_bytes=_MOST_BYTES))
        except (OSError, ValueError):
            return None

    def write(self, run_id: str, name: str, text: str) -> None:
        """Keep a text of a run."""
        self._lay(self._root / run_id, name, text.encode("utf-8", "surrogatepass"))

    def read(self, run_id: str, name: str) -> str | None:
        """A text of a run; None: it is not there."""
        try:
            return read_regular(self._root / run_id / name, most_bytes=_MOST_BYTES).decode("utf-8", "surrogatepass")
        except (OSError, ValueError):
            return None

    def newest(self, principal: str, limit: int) -> list[Run]:
        """The runs of a principal that were begun last, newest first. Reads no more of them than it must."""
        found = list[Run]()
        for changed, run_id in sorted(self._changed(), reverse=True):
            if len(found) >= limit and changed < found[-1].created_at.timestamp():
                break  # what has not changed since then was not begun since then
            run = self.load(run_id)
            if run is not None and run.principal == principal:
                found = sorted([*found, run], key=lambda one: (one.created_at, one.id), reverse=True)[:limit]
        return found

    def _changed(self) -> list[tuple[float, str]]:
        """When each run was last written to."""
        found = list[tuple[float, str]]()
        with suppress(OSError):
            for name in os.listdir(self._root):
                if _ID.fullmatch(name):
                    with suppress(OSError):
                        found.append((os.lstat(self._root / name).st_mtime, name))
        return found

    def begin(self, run: Run, texts: dict[str, str]) -> int | None:
        """Keep a new run, and drive it: the held lock. None: another gateway was quicker to see it."""
        for name, text in texts.items():
            self.write(run.id, name, text)
        self.save(run)
        return self.hold(run.id, new=True)

    def unfinished(self) -> list[str]:
        """The runs that are not over."""
        with suppress(OSError):
            return sorted(name for name in os.listdir(self._root / _OPEN) if _ID.fullmatch(name))
        return []

    def hold(self, run_id: str, *, new: bool = False) -> int | None:
        """Become the one who drives a run; None: somebody does, or it is over."""
        path = self._root / _OPEN / run_id
        if new:
            self._folder(path.parent)
        try:
            held = os.open(path, os.O_RDWR | os.O_NOFOLLOW | (os.O_CREAT if new else 0), 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(held), os.stat(path)):
                return held
        except OSError:
            pass
        os.close(held)
        return None

    def let_go(self, run_id: str, held: int, *, over: bool) -> None:
        """Drive it no more; `over`: nobody needs to."""
        if over:
            (self._root / _OPEN / run_id).unlink(missing_ok=True)
        os.close(held)

    def prune(self, before: float) -> None:
        """Remove runs that were over before this moment."""
        with suppress(OSError):
            for path in list(self._root.iterdir()):
                old = _ID.fullmatch(path.name) and path.stat(follow_symlinks=False).st_mtime < before
                if old and not (self._root / _OPEN / path.name).exists():
                    shutil.rmtree(path, ignore_errors=True)

    def _folder(self, path: Path) -> None:
        for place in (self._root, path):
            place.mkdir(mode=0o700, exist_ok=True)

    def _lay(self, folder: Path, name: str, data: bytes) -> None:
        """Whole or not at all, also where the power fails. One process writes to a run's folder: who drives it."""
        self._folder(folder)
        draft = folder / f".{name}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
