"""Programs whose requests failed because their version is not supported, kept in the home until a request succeeds.

Such a program answers `--version`, so only the failed request shows that it cannot be used. `doctor` and `cli_versions` report it.
An entry belongs to one build: an upgrade changes the program's identity.
"""

from __future__ import annotations

import json
from pathlib import Path

from llm_gateway.files import read_regular, write_atomic

_NAME = "refused-versions.json"
_MOST_BYTES = 1 << 20
_MOST_ENTRIES = 100


def is_refused(home: Path, identity: str) -> bool:
    """Return whether the last request to this build of a program failed with `version_unsupported`. Blocks briefly."""
    return identity in _read(home)


def keep_refused(home: Path, identity: str, *, refused: bool) -> None:
    """Store or delete the entry of a program. Blocks briefly; writes only if something changes. Raises OSError."""
    entries = _read(home)
    if (identity in entries) == refused:
        return
    others = [entry for entry in entries if entry != identity]
    kept = [*others, identity] if refused else others
    write_atomic(home / _NAME, json.dumps(kept[-_MOST_ENTRIES:]).encode())


def _read(home: Path) -> list[str]:
    try:
        stored = json.loads(read_regular(home / _NAME, most_bytes=_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    return [entry for entry in stored if isinstance(entry, str)] if isinstance(stored, list) else []
