"""Find entry points by reading the metadata of installed distributions. Standard library only, cheap to import.

Every start of the command searches plugins. `importlib.metadata` takes 40 ms of CPU for that, most of it to import itself; reading
the files `entry_points.txt` takes two. So nothing is cached, in memory or in a file, and what was installed a moment ago is found.
Whatever is not a folder on `sys.path`, such as a zip file, is left to `importlib.metadata`.
"""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from importlib import import_module

TYPE_CHECKING = False  # without importing `typing`: every command pays for the imports of this module
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

#: The kinds of plugins, in the order of loading: kinds with wrappers and policies come before the plugins that they wrap.
KINDS = ("policy", "extension", "provider", "store", "engine", "transport")
GROUP = "llm_gateway."
#: The kernel, and the distribution that installs all plugins of the product.
_PRODUCT = ("llm-gateway-core", "llm-gateway-mcp")
_SUFFIXES = (".dist-info", ".egg-info")
#: The file with name, version and requirements: in a `.dist-info`, in an `.egg-info`.
_METADATA = ("METADATA", "PKG-INFO")


class EntryPoint:
    """One entry point: `name = value` in a group. Several distributions may define the same one."""

    __slots__ = ("distributions", "group", "name", "value")

    def __init__(self, name: str, value: str, group: str, distributions: tuple[Distribution, ...] = ()) -> None:
        self.name = name
        self.value = value  #: `package.module` or `package.module:object`
        self.group = group
        self.distributions = distributions

    @property
    def key(self) -> str:
        """Kind and name, as plugins are called: `provider:echo`."""
        return f"{self.group.removeprefix(GROUP)}:{self.name}"

    def load(self) -> Any:
        """Import the module and return it, or its object. Raises what the import raises."""
        module, _, path = self.value.partition("[")[0].partition(":")
        found: Any = import_module(module.strip())
        for attribute in filter(None, path.strip().split(".")):
            found = getattr(found, attribute)
        return found


class Distribution:
    """One installed distribution, by the folder of its metadata. Its files are read when they are needed."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @property
    def entry_points(self) -> str:
        """The text of `entry_points.txt`; empty if there is none."""
        return _read(os.path.join(self.folder, "entry_points.txt"))

    @property
    def name(self) -> str:
        """The name, as its author writes it."""
        return next(iter(self._values("Name")), "") or _stem(self.folder)[0]

    @property
    def version(self) -> str:
        """The version."""
        return next(iter(self._values("Version")), "") or _stem(self.folder)[1]

    @property
    def requires(self) -> list[str]:
        """The requirements, one text each, with version and marker."""
        return self._values("Requires-Dist")

    def _values(self, field: str) -> list[str]:
        text = next(filter(None, (_read(os.path.join(self.folder, name)) for name in _METADATA)), "")
        return _fields(text, field)


class _Other(Distribution):
    """A distribution that `importlib.metadata` found."""

    def __init__(self, found: Any) -> None:
        super().__init__("")
        self._found = found

    @property
    def entry_points(self) -> str:
        return "".join(f"[{one.group}]\n{one.name} = {one.value}\n" for one in self._found.entry_points)

    def _values(self, field: str) -> list[str]:
        return [str(value) for value in self._found.metadata.get_all(field) or ()]


def find(groups: Collection[str]) -> list[EntryPoint]:
    """Return the entry points of these groups: by group in the given order, then as on `sys.path`. Imports none of them."""
    found: dict[tuple[str, str, str], EntryPoint] = {}
    for distribution in distributions():
        for group, name, value in _parse(distribution.entry_points):
            if group not in groups:
                continue
            known = found.get((group, name, value))
            if known is None:
                found[group, name, value] = EntryPoint(name, value, group, (distribution,))
            else:
                known.distributions = (*known.distributions, distribution)
    return sorted(found.values(), key=lambda point: list(groups).index(point.group))


def chosen(environ: Mapping[str, str]) -> frozenset[str] | None:
    """Return the names in LLM_GATEWAY_PLUGINS; None if it is not set, which means all plugins."""
    names = environ.get("LLM_GATEWAY_PLUGINS")
    if names is None:
        return None
    return frozenset(name.strip() for name in names.split(",") if name.strip())


def distributions() -> Iterator[Distribution]:
    """Yield every installed distribution. Of two with the same name, the one that comes first on `sys.path`."""
    seen = set()
    other = []
    for place in dict.fromkeys(sys.path):
        try:
            names = sorted(os.listdir(place)) if os.path.isabs(place) else []
        except OSError:
            if os.path.isfile(place):
                other.append(place)
            continue
        for file in names:
            if file.endswith(_SUFFIXES):
                name = normal(_stem(file)[0])
                if name not in seen:
                    seen.add(name)
                    yield Distribution(os.path.join(place, file))
    if other or any(_finds_distributions(finder) for finder in sys.meta_path):
        from importlib import metadata

        for found in metadata.distributions(path=other):
            name = normal(found.metadata["Name"] or "")
            if name not in seen:
                seen.add(name)
                yield _Other(found)


def own_distributions() -> frozenset[str]:
    """Return the distributions of the product, in normal form: those that the kernel and `llm-gateway-mcp` require, optional ones too."""
    product = [one for one in distributions() if normal(_stem(one.folder)[0] or one.name) in _PRODUCT]
    required = [line for one in product for line in one.requires]
    names = [normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in required]
    return frozenset(name for name in names if name.startswith("llm-gateway-"))


def is_own(point: EntryPoint | None) -> bool:
    """Return whether a distribution of the product defines an entry point."""
    if point is None:
        return False
    own = _own()
    return any(normal(one.name) in own for one in point.distributions)


@lru_cache(maxsize=1)
def _own() -> frozenset[str]:
    return own_distributions()


def normal(distribution: str) -> str:
    """Return the name of a distribution in its normal form: lower case, with `-` for every separator."""
    return "-".join(filter(None, distribution.lower().replace("_", "-").replace(".", "-").split("-")))


def _finds_distributions(finder: object) -> bool:
    return hasattr(finder, "find_distributions") and getattr(finder, "__name__", "") != "PathFinder"


def _stem(folder: str) -> tuple[str, str]:
    """Return name and version in the name of a metadata folder."""
    name, _, version = os.path.basename(folder).rpartition(".")[0].partition("-")
    return name, version


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # there is no such file
        return ""


def _fields(text: str, field: str) -> list[str]:
    """Return the values of a field in the head of a metadata file, which ends at the first empty line."""
    head = text.partition("\n\n")[0]
    return [line.partition(":")[2].strip() for line in head.splitlines() if line.startswith(f"{field}:")]


def _parse(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield group, name and value of each line in `entry_points.txt`."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1]
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            if equals:
                yield group, name.strip(), value.strip()
