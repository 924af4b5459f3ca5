"""The skills that installed plugins bring (resources `skill://NAME/FILE`), put where a client looks for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from llm_gateway import CallContext, Gateway
from llm_gateway.errors import InvalidRequest
from llm_gateway_extension_connect.files import read, replace

_SCHEME = "skill://"
#: In a skill's folder: the files that we wrote, and their digests.
_OURS = ".llm-gateway.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be done with one file."""

    path: Path
    was: str | None
    text: str | None  #: None: it goes


async def plugin_skills(gateway: Gateway) -> dict[str, str]:
    """The files of all skills: NAME/FILE -> text."""
    found = {}
    for resource in gateway.resources:
        path = PurePosixPath(resource.uri.removeprefix(_SCHEME))
        if (
            resource.uri.startswith(_SCHEME)
            and not resource.is_template
            and ".." not in path.parts
            and len(path.parts) > 1
        ):
            found[str(path)] = await resource.read(gateway, {}, CallContext())
    return found


def changes(folder: Path, files: Mapping[str, str]) -> tuple[list[Change], list[Path]]:
    """The changes after which the folder has these skills and none of our older files; and the files that are not touched.

    A file that another program or a person wrote or changed is not touched.
    """
    wanted: dict[str, dict[str, str]] = {}
    for name, text in files.items():
        skill, _, inner = name.partition("/")
        wanted.setdefault(skill, {})[inner] = text
    needed: list[Change] = []
    left: list[Path] = []
    for skill in sorted({*wanted, *_installed(folder)}):
        place, new = folder / skill, wanted.get(skill, {})
        ours = _written(place)
        for inner in sorted({*new, *ours}):
            path, content = place / inner, new.get(inner)
            was = read(path)
            if was == content:
                continue
            if was is not None and ours.get(inner) != _digest(was):
                left.append(path)
            else:
                needed.append(Change(path=path, was=was, text=content))
        keeping = {inner: _digest(text) for inner, text in new.items() if place / inner not in left}
        marker = json.dumps(keeping, indent=1, sort_keys=True) + "\n" if keeping else None
        if (written := read(place / _OURS)) != marker:
            needed.append(Change(path=place / _OURS, was=written, text=marker))
    return needed, left


def apply(needed: list[Change]) -> None:
    """Make these changes; remove folders that become empty."""
    for change in needed:
        replace(change.path, was=change.was, text=change.text)
        for parent in (change.path.parent, change.path.parent.parent):
            if change.text is None and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _installed(folder: Path) -> list[str]:
    return [path.parent.name for path in folder.glob(f"*/{_OURS}")]


def _written(place: Path) -> dict[str, str]:
    text = read(place / _OURS)
    try:
        found = json.loads(text) if text else {}
    except ValueError as problem:
        raise InvalidRequest(
            f"{place / _OURS} is broken", recovery="Remove it; the skill's files then stay."
        ) from problem
    inside = {name: digest for name, digest in found.items() if ".." not in PurePosixPath(name).parts}
    return {name: digest for name, digest in inside.items() if not PurePosixPath(name).is_absolute()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
