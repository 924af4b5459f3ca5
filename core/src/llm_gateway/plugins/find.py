"""Find installed plugins, and import one so that its faults do not affect the gateway."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint
from typing import Any

from llm_gateway.plugins.time_limit import IMPORT_S, time_limit

#: In the order of loading: kinds with wrappers and policies come before the plugins that they wrap.
KINDS = ("policy", "extension", "provider", "store", "engine", "transport")
GROUP = "llm_gateway."
_COMPLETE = "llm-gateway-mcp"  #: the distribution that installs all plugins of the product


def find() -> list[EntryPoint]:
    """Find every installed plugin with stevedore's cache. Imports none of them."""
    from stevedore.named import NamedExtensionManager

    # With an empty list of names, the manager lists the entry points but loads none.
    return [point for kind in KINDS for point in NamedExtensionManager(GROUP + kind, names=[]).list_entry_points()]


def distributions_of(point: EntryPoint | None) -> list[tuple[str, str]]:
    """Return the distributions (name, version) that define an entry point. The first call reads all metadata, which is slow."""
    if point is None:
        return []
    dist = getattr(point, "dist", None)
    if dist is not None:
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
                if (dist.name, dist.version) not in names:  # sys.path can contain a distribution twice
                    names.append((dist.name, dist.version))
    return found


@lru_cache(maxsize=1)
def own_distributions() -> frozenset[str]:
    """Return the distributions of the product: all that `llm-gateway-mcp` requires, optional ones too. Empty if it is not installed."""
    from importlib_metadata import PackageNotFoundError, requires

    try:
        required = requires(_COMPLETE) or []
    except PackageNotFoundError:
        return frozenset()
    return frozenset(_normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in required)


def is_own(point: EntryPoint | None) -> bool:
    """Return whether a distribution of the product defines an entry point."""
    return any(_normal(name) in own_distributions() for name, _ in distributions_of(point))


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def load(point: EntryPoint | None) -> Any:
    """Import a plugin. Raises ValueError for every fault, SystemExit included: a plugin must not end the gateway."""
    try:
        with time_limit(IMPORT_S):
            return point.load() if point else None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ValueError(f"could not be imported: {in_one_line(error)}") from error


def chosen(environ: Mapping[str, str]) -> frozenset[str] | None:
    """Return the names in LLM_GATEWAY_PLUGINS; None if it is not set, which means all plugins."""
    names = environ.get("LLM_GATEWAY_PLUGINS")
    if names is None:
        return None
    return frozenset(name.strip() for name in names.split(",") if name.strip())


def in_one_line(error: BaseException) -> str:
    """Return an exception as one line. Also works if `str(error)` raises."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
