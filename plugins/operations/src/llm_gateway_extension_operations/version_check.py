"""Warn in the answer if the version of a CLI was not tested, or if something is known to fail with it. It is still used.

No call waits for the check: when the first run of a program begins, its version is read in the background. The result is stored in
the home by the executable's path, size and time.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

from anyio import from_thread, to_thread

from llm_gateway import (
    Annotations,
    Gateway,
    Notice,
    ProviderInfo,
    Record,
    Request,
    find_program,
    judge_version,
    keep_refused,
    verified_build,
    verified_text,
    version_of,
)
from llm_gateway.files import read_regular, write_atomic

log = logging.getLogger(__name__)

#: Stored versions expire, because a launcher does not change when the program that it starts is upgraded.
_KEPT_S = 24 * 3600.0
_MOST_BYTES = 1 << 20
_COMPARISONS = {
    "newer": "newer than what was seen to work here",
    "older": "older than what was seen to work here",
    "unreleased": "not one of the released versions that were seen to work here",
}
_known: dict[str, str] = {}  #: identity of an executable -> its version; "": it reports none
#: (title, version) of the untested versions that an answer of this gateway named
_warned: WeakKeyDictionary[Gateway, set[tuple[str, str]]] = WeakKeyDictionary()
_running: set[str] = set()  #: identities of executables whose version is being read


def annotate(gateway: Gateway, record: Record, request: Request | None) -> Annotations | None:
    """Start reading the version when a run begins; when it has ended, add the version to its record and warn."""
    provider = gateway.providers[record.provider]
    info = provider.of(request.variant) if request else provider
    if info.variants or (info.versions_seen is None and not info.versions_broken):
        return None
    version = record.run.cli_version or _version(gateway, info)
    if record.ended_at is None:
        if version is None:
            from_thread.run_sync(gateway.tasks.start_soon, _read_version, gateway, info)
        return None
    _keep_refusal(gateway, info, record)
    if not version:
        return Annotations()
    return Annotations(notices=tuple(_notices(gateway, info, version)), kept={"cli_version": version})


def _notices(gateway: Gateway, info: ProviderInfo, version: str) -> Iterator[Notice]:
    """Yield the warnings about a version. The one about an untested version is given once by a gateway."""
    judged, warned = judge_version(info, version), _warned.setdefault(gateway, set())
    if "breaks" in judged:
        message = f"{info.title} {version}: {judged['breaks']}; upgrade it: {info.install}"
        yield Notice(code="version_broken", message=message, details={"version": version, "breaks": judged["breaks"]})
    comparison = _COMPARISONS.get(judged.get("inRange", "yes"))
    if comparison is None or (info.title, version) in warned:
        return
    warned.add((info.title, version))
    first, last = judged["seenToWork"]
    found = _verified(gateway, info)
    what = f"it was {found}" if found else "it was used all the same; `llm-gateway verify` tries it"
    message = f"{info.title} {version} is {comparison} ({first} to {last}); {what}"
    yield Notice(code="version_unseen", message=message, details={"version": version, "seenToWork": [first, last]})


def _verified(gateway: Gateway, info: ProviderInfo) -> str:
    """Return what `llm-gateway verify` found with the installed build, for people; empty: it was not verified."""
    program = find_program(info, gateway.settings.provider(info.name).executable, gateway.environ)
    build = program and verified_build(gateway.settings.home, info.name, info.variant, program.identity)
    return verified_text(build) if build else ""


def _keep_refusal(gateway: Gateway, info: ProviderInfo, record: Record) -> None:
    """Remember that the installed build cannot carry out requests, or that it can."""
    refused = record.error_code == "version_unsupported"
    if not refused and record.outcome != "completed":
        return
    program = find_program(info, gateway.settings.provider(info.name).executable, gateway.environ)
    if program is None:
        return
    try:
        keep_refused(gateway.settings.home, program.identity, refused=refused)
    except OSError as error:
        log.warning("could not store whether %s was refused: %s", info.title, error)


def _version(gateway: Gateway, info: ProviderInfo) -> str | None:
    """Return the known version of the installed program; None: unknown, it must be read."""
    program = find_program(info, gateway.settings.provider(info.name).executable, gateway.environ)
    if program is None:
        return ""
    if program.identity not in _known:
        _known.update(_read_stored(gateway.settings.home))
    return _known.get(program.identity)


async def _read_version(gateway: Gateway, info: ProviderInfo) -> None:
    override = gateway.settings.provider(info.name).executable
    program = await to_thread.run_sync(find_program, info, override, gateway.environ)
    if program is None or program.identity in _running:
        return
    _running.add(program.identity)
    try:
        _known[program.identity] = await version_of(info, program, gateway.settings, gateway.environ, anew=True)
        await to_thread.run_sync(_store, gateway.settings.home, program.identity)
    except Exception as error:  # an error here must not stop the gateway
        _known[program.identity] = ""
        log.warning("could not read the version of %s: %s", info.title, str(error) or "no answer")
    finally:
        _running.discard(program.identity)


def _read_stored(home: Path) -> dict[str, str]:
    try:
        if time.time() - (home / "versions.json").stat().st_mtime > _KEPT_S:
            return {}
        stored = json.loads(read_regular(home / "versions.json", most_bytes=_MOST_BYTES))
        return {str(identity): str(version) for identity, version in stored.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _store(home: Path, identity: str) -> None:
    """Add a version to the stored ones. It replaces the entry of an earlier build at the same path."""
    path = identity.rsplit(":", 2)[0]
    kept = {other: version for other, version in _read_stored(home).items() if other.rsplit(":", 2)[0] != path}
    write_atomic(home / "versions.json", json.dumps({**kept, identity: _known[identity]}).encode())
