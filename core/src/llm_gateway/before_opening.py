"""What can be known of a home before its gateway is opened: whether settings are changed, and whether work waits for a gateway.

A transport that answers its client's first requests before the gateway is opened asks these functions. Standard library only.
"""

from __future__ import annotations

import os

import llm_gateway
from llm_gateway.entry_points import GROUP, KINDS, EntryPoint, chosen, find
from llm_gateway.files import read_regular
from llm_gateway.installations import searched_folders
from llm_gateway.locations import config_file, home_directory

#: What transports may use.
__all__ = [
    "EntryPoint",
    "WaitingWork",
    "has_default_settings",
    "installed_plugins",
    "is_usable_home",
    "kernel_version",
    "searched_folders",
    "waiting_work_checks",
]

TYPE_CHECKING = False  # without importing `typing`: the first answer of `serve` waits for this module
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

#: Functions `waiting(home) -> bool`, by the name of a plugin that continues work of ended gateways in `gateway_lifespan`.
WAITING_WORK = GROUP + "waiting_work"
_MOST_BYTES = 1 << 20
DEFAULTS = {"store": "sqlite:", "engine": "local:"}  # as in settings/model.py; a test compares them
#: Variables that neither change a setting nor what clients are shown, with the values that are known to be valid; None: any value.
_HARMLESS: dict[str, Collection[str] | None] = {
    "LLM_GATEWAY_HOME": None,
    "LLM_GATEWAY_PLUGINS": None,
    "LLM_GATEWAY_JOB": None,
    "LLM_GATEWAY_PORTABLE": None,
    "LLM_GATEWAY_DEPTH": tuple("0123456789"),
    "LLM_GATEWAY_LOG": ("DEBUG", "INFO", "WARNING", "ERROR"),
    "LLM_GATEWAY_TRACE_HOOKS": ("0",),
    "LLM_GATEWAY_APPROVAL_ALLOW_BYPASS": ("0", "1"),
}


def has_default_settings(environ: Mapping[str, str], more_harmless: Collection[str] = ()) -> bool:
    """Return whether every setting has its default, so that no plugin must be asked whether the settings are valid.

    :param more_harmless: variables of plugins that change no setting.
    """
    for name, value in environ.items():
        if not name.startswith("LLM_GATEWAY_") or not value or name in more_harmless:
            continue
        valid = _HARMLESS.get(name, ())
        if valid is not None and value not in valid:
            return False
    try:
        os.lstat(config_file(environ))
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # the start reports it
        return False
    return False


def is_usable_home(environ: Mapping[str, str]) -> bool:
    """Return whether the home exists, closed to other users, or can be made. If not, the opening of a gateway reports it."""
    try:
        home = home_directory(environ)
        if os.path.lexists(home):
            facts = os.lstat(home)
            return facts.st_mode & 0o177777 == 0o040700 and facts.st_uid == os.geteuid()
        parent = os.path.dirname(home)
        while not os.path.lexists(parent):
            parent = os.path.dirname(parent)
        return os.path.isdir(parent) and os.access(parent, os.W_OK | os.X_OK)
    except (OSError, ValueError):
        return False


def installed_plugins(environ: Mapping[str, str]) -> list[EntryPoint]:
    """Return the plugins that a gateway loads when it opens, in the order of loading. Imports none of them."""
    wanted = chosen(environ)
    kinds = [GROUP + kind for kind in KINDS[:3]]
    points = [point for point in find(kinds) if wanted is None or wanted & {point.name, point.key}]
    return sorted(points, key=lambda point: (kinds.index(point.group), point.name))


def kernel_version() -> str:
    """Return the version of `llm-gateway-core`."""
    return llm_gateway.__version__


def waiting_work_checks() -> list[str]:
    """Return the names of the plugins that offer a check whether work waits for them (`llm_gateway.waiting_work`)."""
    return [point.name for point in find((WAITING_WORK,))]


class WaitingWork:
    """Whether work of ended gateways waits for a gateway: unfinished jobs, and what plugins continue."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._home = home_directory(environ)
        self._points = find((GROUP + "store_reader", GROUP + "lease_check", WAITING_WORK))
        self._urls = store_and_engine(settings_text(environ), environ)

    def exists(self) -> bool:
        """Return whether there is any, or whether that cannot be found out. Blocking: a query of the store."""
        if not os.path.lexists(self._home):
            return False
        try:
            named = [point for point in self._points if point.group == WAITING_WORK]
            return self._has_orphans() or any(point.load()(self._home) for point in named)
        except Exception:  # whatever it is, an open gateway finds it too and reports it
            return True

    def _has_orphans(self) -> bool:
        open_reader = only(self._points, "store_reader", self._urls["store"])
        is_alive = only(self._points, "lease_check", self._urls["engine"])
        if open_reader is None or is_alive is None:
            return True
        try:
            reader = open_reader(self._urls["store"], self._home)
        except FileNotFoundError:
            return False
        if reader is None:
            return True
        try:
            return not all(is_alive(self._home, owner) for owner in reader.unfinished_owners())
        finally:
            reader.close()


def only(points: Iterable[EntryPoint], group: str, url: str) -> Any:
    """Return the function that serves the scheme of a URL; None if there is none, or more than one."""
    scheme = url.partition(":")[0]
    named = [point for point in points if (point.group, point.name) == (GROUP + group, scheme)]
    return named[0].load() if len(named) == 1 else None


def settings_text(environ: Mapping[str, str]) -> bytes | None:
    """Return the content of the settings file; None: there is none. Raises OSError if it cannot be read."""
    try:
        return read_regular(config_file(environ), most_bytes=_MOST_BYTES, follow=True)
    except FileNotFoundError:
        return None


def store_and_engine(settings: bytes | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the URL of `store` and `engine`. The settings are valid."""
    tables: Mapping[str, Any] = {}
    if settings:
        import tomli

        tables = tomli.loads(settings.decode("utf-8-sig"))
    return {
        name: environ.get(f"LLM_GATEWAY_{name.upper()}_URL") or tables.get(name, {}).get("url", default)
        for name, default in DEFAULTS.items()
    }
