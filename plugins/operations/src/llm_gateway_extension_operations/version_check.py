"""A CLI that is newer than what was seen to work is used all the same, and the answer says so.

Nobody waits for it: the program is asked in the background when its first run begins, and what it said is remembered in the home,
by the executable's path, size and time.
"""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

from anyio import from_thread, to_thread

from llm_gateway import Annotations, Gateway, Notice, ProviderInfo, Record, Request, find_program, in_range, version_of
from llm_gateway.files import read_regular, write_atomic

log = logging.getLogger(__name__)

#: A program that only starts another one stays as it is when that one is upgraded.
_KEPT_S = 24 * 3600.0
_MOST_BYTES = 1 << 20
_known: dict[str, str] = {}  #: identity of an executable -> its version; empty: it tells none
_asked: set[str] = set()  #: identities that are being asked just now


def annotate(gateway: Gateway, record: Record, request: Request | None) -> Annotations | None:
    """Have the program asked when a run begins; when it has ended keep its version, and warn."""
    whole = gateway.providers[record.provider]
    info = whole.of(request.variant) if request else whole
    if info.versions_seen is None or info.variants:
        return None
    version = record.run.cli_version or _version(gateway, info)
    if record.ended_at is None:
        if version is None:
            from_thread.run_sync(gateway.tasks.start_soon, _ask, gateway, info)
        return None
    kept = {"cli_version": version} if version else {}
    if not version or in_range(version, info.versions_seen) != "newer":
        return Annotations(kept=kept)
    first, last = info.versions_seen
    message = (
        f"{info.title} {version} is newer than what was seen to work here ({first} to {last}); it was used all the same"
    )
    details = {"version": version, "seenToWork": [first, last]}
    return Annotations(notices=(Notice(code="version_unseen", message=message, details=details),), kept=kept)


def _version(gateway: Gateway, info: ProviderInfo) -> str | None:
    """What is known of the program that is installed just now; None: it must be asked."""
    program = find_program(info, gateway.settings.provider(info.name).executable, gateway.environ)
    if program is None:
        return ""
    if program.identity not in _known:
        _known.update(_remembered(gateway.settings.home))
    return _known.get(program.identity)


async def _ask(gateway: Gateway, info: ProviderInfo) -> None:
    program = find_program(info, gateway.settings.provider(info.name).executable, gateway.environ)
    if program is None or program.identity in _asked:
        return
    _asked.add(program.identity)
    try:
        _known[program.identity] = await version_of(info, program, gateway.settings, gateway.environ, anew=True)
        await to_thread.run_sync(_remember, gateway.settings.home, program.identity)
    except Exception as error:  # the gateway must not end for it
        _known[program.identity] = ""
        log.warning("%s did not tell its version: %s", info.title, str(error) or "no answer")
    finally:
        _asked.discard(program.identity)


def _remembered(home: Path) -> dict[str, str]:
    try:
        if time.time() - (home / "versions.json").stat().st_mtime > _KEPT_S:
            return {}
        told = json.loads(read_regular(home / "versions.json", most_bytes=_MOST_BYTES))
        return {str(identity): str(version) for identity, version in told.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _remember(home: Path, identity: str) -> None:
    """Add to what is written down; another build of the same program takes the place of the one before."""
    place = identity.rsplit(":", 2)[0]
    kept = {one: said for one, said in _remembered(home).items() if one.rsplit(":", 2)[0] != place}
    write_atomic(home / "versions.json", json.dumps({**kept, identity: _known[identity]}).encode())
