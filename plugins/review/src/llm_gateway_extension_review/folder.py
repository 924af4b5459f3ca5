"""The storage of runs: `<home>/reviews/<id>/`. Every function blocks: call it in a thread.

While a run has not ended, there is a file `<home>/reviews/.open/<id>`. The gateway that executes the run holds a lock on this file
until the gateway ends, so others can check whether the run is being executed.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from llm_gateway import from_json, to_json
from llm_gateway.files import read_regular, sync_file
from llm_gateway.leases import release_lease, take_lease
from llm_gateway_extension_review.state import Run

_ID = re.compile(r"rv-[0-9a-f]{16}")
_OPEN = ".open"
_MOST_BYTES = 256 << 20  #: size of one file of a run


class Folder:
    """The stored runs of a home."""

    def __init__(self, home: Path) -> None:
        self._root = home / "reviews"

    def save(self, run: Run) -> None:
        """Store the state of a run."""
        self._lay(self._root / run.id, "state.json", to_json(run))

    def load(self, run_id: str) -> Run | None:
        """Return the state of a run; None: it does not exist."""
        if not _ID.fullmatch(run_id):
            return None
        try:
            return from_json(Run, read_regular(self._root / run_id / "state.json", most_bytes=_MOST_BYTES))
        except (OSError, ValueError):
            return None

    def write(self, run_id: str, name: str, text: str) -> None:
        """Store a text of a run."""
        self._lay(self._root / run_id, name, text.encode("utf-8", "surrogatepass"))

    def read(self, run_id: str, name: str) -> str | None:
        """Return a text of a run; None: it does not exist."""
        try:
            return read_regular(self._root / run_id / name, most_bytes=_MOST_BYTES).decode("utf-8", "surrogatepass")
        except (OSError, ValueError):
            return None

    def newest(self, principal: str, limit: int) -> list[Run]:
        """Return the newest runs of a principal, newest first. Reads as few of them as possible."""
        found = list[Run]()
        for changed, run_id in sorted(self._changed(), reverse=True):
            if len(found) >= limit and changed < found[-1].created_at.timestamp():
                break  # a run that has not changed since then did not begin since then
            run = self.load(run_id)
            if run is not None and run.principal == principal:
                found = sorted([*found, run], key=lambda item: (item.created_at, item.id), reverse=True)[:limit]
        return found

    def _changed(self) -> list[tuple[float, str]]:
        """Return the last modification time of each run."""
        found = list[tuple[float, str]]()
        with suppress(OSError):
            for name in os.listdir(self._root):
                if _ID.fullmatch(name):
                    with suppress(OSError):
                        found.append((os.lstat(self._root / name).st_mtime, name))
        return found

    def begin(self, run: Run, texts: dict[str, str]) -> int | None:
        """Store a new run and lock it. Return the lock; None: another gateway locked it first."""
        for name, text in texts.items():
            self.write(run.id, name, text)
        self.save(run)
        return self.hold(run.id, new=True)

    def unfinished(self) -> list[str]:
        """Return the runs that have not ended."""
        with suppress(OSError):
            return sorted(name for name in os.listdir(self._root / _OPEN) if _ID.fullmatch(name))
        return []

    def hold(self, run_id: str, *, new: bool = False) -> int | None:
        """Lock a run. Return the lock; None: another gateway holds it, or the run has ended."""
        path = self._root / _OPEN / run_id
        if new:
            self._folder(path.parent)
        with suppress(OSError):  # such as no free descriptor: the run counts as held
            return take_lease(path, create=new)
        return None

    def let_go(self, run_id: str, held: int, *, over: bool) -> None:
        """Release the lock of a run. `over`: the run has ended."""
        if over:
            release_lease(self._root / _OPEN / run_id, held)
        else:
            os.close(held)

    def prune(self, before: float) -> None:
        """Remove runs that ended before this time."""
        with suppress(OSError):
            for path in list(self._root.iterdir()):
                old = _ID.fullmatch(path.name) and path.stat(follow_symlinks=False).st_mtime < before
                if old and not (self._root / _OPEN / path.name).exists():
                    shutil.rmtree(path, ignore_errors=True)

    def _folder(self, path: Path) -> None:
        for place in (self._root, path):
            place.mkdir(mode=0o700, exist_ok=True)

    def _lay(self, folder: Path, name: str, data: bytes) -> None:
        """Write atomically, also if the power fails. Only the process that executes a run writes to its folder."""
        self._folder(folder)
        draft = folder / f".{name}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            sync_file(file.fileno())
        draft.replace(folder / name)
