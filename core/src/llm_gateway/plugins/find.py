"""Finding plugins, and loading one without letting it do harm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint
from typing import Any

from llm_gateway.plugins.patience import IMPORT_S, patience

#: In the order in which they are loaded: what wraps or judges stands before what is wrapped.
KINDS = ("policy", "extension", "provider", "store", "engine", "transport")
GROUP = "llm_gateway."
_COMPLETE = "llm-gateway-mcp"  #: the distribution that brings everything of the product


def find() -> list[EntryPoint]:
    """Find every installed plugin, from stevedore's cache; imports none of them."""
    from stevedore.named import NamedExtensionManager

    # given no names, the manager lists and loads nothing
    return [point for kind in KINDS for point in NamedExtensionManager(GROUP + kind, names=[]).list_entry_points()]


def distributions_of(point: EntryPoint | None) -> list[tuple[str, str]]:
    """The distributions (name, version) that bring an entry point. Reads metadata on first use, so only when asked for."""
    if point is None:
        return []
    if (dist := getattr(point, "dist", None)) is not None:
        return [(dist.name, dist.version)]
    return _installed().get((point.group, point.name, point.value), [])


@lru_cache(maxsize=1)
def _installed() -> dict[tuple[str, str, str], list[tuple[str, str]]]:
    from importlib_metadata import distributions

    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for dist in distributions():
        for point in dist.entry_points:
            if point.group.startswith(GROUP):
                names = found.setdefault((point.group, point.name, point.value), [])
                if (dist.name, dist.version) not in names:  # one distribution may be met twice on sys.path
                    names.append((dist.name, dist.version))
    return found


@lru_cache(maxsize=1)
def own_distributions() -> frozenset[str]:
    """The distributions of the product itself: those that `llm-gateway-mcp` names, optional ones too. Empty: it is not installed."""
    from importlib_metadata import PackageNotFoundError, requires

    try:
        required = requires(_COMPLETE) or []
    except PackageNotFoundError:
        return frozenset()
    return frozenset(_normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in required)


def is_own(point: EntryPoint | None) -> bool:
    """Whether a distribution of the product itself brings an entry point."""
    return any(_normal(name) in own_distributions() for name, _ in distributions_of(point))


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def load(point: EntryPoint | None) -> Any:
    """Import a plugin. Raises ValueError for whatever goes wrong, SystemExit too: a plugin does not decide that we end."""
    try:
        with patience(IMPORT_S):
            return point.load() if point else None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ValueError(f"could not be imported: {told(error)}") from error


def chosen(environ: Mapping[str, str]) -> frozenset[str] | None:
    """What LLM_GATEWAY_PLUGINS names; None: everything."""
    names = environ.get("LLM_GATEWAY_PLUGINS")
    return None if names is None else frozenset(filter(None, map(str.strip, names.split(","))))


def told(error: BaseException) -> str:
    """An exception in one line, even one that cannot be printed."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
