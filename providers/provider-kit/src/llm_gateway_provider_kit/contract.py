"""Read a provider's `contract.toml`: what its plugin relies on, as data that the plugin, its tests and the docs share.

package = "@vendor/cli"            # as npm, pip or brew names it
seen = ["1.2.0", "1.4.0"]          # the oldest and the newest version that the tests ran with
install = "npm install -g {package}@{newest}"
unpriced = ["model-9"]             # default models that the price list does not contain

[login]
command = "cli login"
argv = ["login", "status"]         # exit code 0: logged in
since = "1.1.0"                    # in older versions these arguments are something else, such as a paid prompt
[login.env]                        # keeps the check off the network
CLI_OFFLINE = "1"

[[broken]]
below = "1.1.0"                    # or `since`, or both; `below` is not included
breaks = "it has no --json, so every request fails"
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from llm_gateway import BrokenVersions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NAME = "contract.toml"
_KEYS = {"package", "seen", "install", "login", "broken", "unpriced"}
_LOGIN_KEYS = {"command", "argv", "since", "env"}


class BadContract(ValueError):
    """A `contract.toml` that does not follow the format; the message names the file, the key and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a plugin knows about the versions, the installation and the login of its CLI."""

    package: str  #: the name of the package that contains the program; empty: the vendor's own installer brings it
    seen: tuple[str, str] | None  #: the oldest and the newest version that the tests ran with; None: none
    install: str  #: the command that installs the newest of them
    login: str  #: the command that logs in
    login_argv: tuple[str, ...]  #: arguments that check the login; exit code 0: logged in; empty: there are none
    login_since: str  #: the first version in which they do so; empty: every version
    login_env: MappingProxyType[str, str]  #: variables that keep that check off the network
    broken: tuple[BrokenVersions, ...]  #: versions with which something is known to fail
    unpriced: tuple[str, ...]  #: default models that the price list does not contain, so that their cost is unknown

    @property
    def newest(self) -> str:
        """The newest version that the tests ran with; empty: none."""
        return self.seen[1] if self.seen else ""

    def facts(self) -> dict[str, Any]:
        """Return the fields of `ProviderInfo` that come from the contract, for `ProviderInfo(**contract.facts(), …)`."""
        return {
            "versions_seen": self.seen,
            "versions_broken": self.broken,
            "install": self.install,
            "login": self.login,
            "login_argv": self.login_argv,
            "login_since": self.login_since,
            "login_env": self.login_env,
        }


def load_contract(package: str, folder: str = "") -> Contract:
    """Read `contract.toml` from a Python package, or from a folder in it. Raises BadContract, FileNotFoundError."""
    root = files(package)
    path = (root / folder if folder else root) / _NAME
    return parse_contract(path.read_text("utf-8"), str(path))


def parse_contract(text: str, source: str) -> Contract:
    """Parse a contract. Raises BadContract.

    :param source: the name of the file, for errors.
    """
    try:
        document = tomllib.loads(text)
        return _contract(document)
    except (tomllib.TOMLDecodeError, BadContract) as error:
        raise BadContract(f"{source}: {error}") from error


def _contract(document: dict[str, Any]) -> Contract:
    login = document.get("login", {})
    if not isinstance(login, dict):
        raise BadContract("[login] must be a table")
    _reject_unknown(document, _KEYS, "")
    _reject_unknown(login, _LOGIN_KEYS, "login.")
    package = _text(document, "package")
    seen = _texts(document, "seen")
    if len(seen) not in (0, 2):
        raise BadContract("seen must be two versions: the oldest and the newest")
    newest = seen[1] if seen else ""
    return Contract(
        package=package,
        seen=(seen[0], seen[1]) if seen else None,
        install=_text(document, "install").replace("{package}", package).replace("{newest}", newest),
        login=_text(login, "command"),
        login_argv=_texts(login, "argv"),
        login_since=_text(login, "since"),
        login_env=MappingProxyType({name: _text(login["env"], name) for name in login.get("env", {})}),
        broken=tuple(_broken(entry) for entry in document.get("broken", [])),
        unpriced=_texts(document, "unpriced"),
    )


def _broken(entry: dict[str, Any]) -> BrokenVersions:
    _reject_unknown(entry, {"since", "below", "breaks"}, "broken.")
    if not entry.get("breaks") or not (entry.get("since") or entry.get("below")):
        raise BadContract("[[broken]] needs `breaks`, and `since` or `below`")
    return BrokenVersions(since=_text(entry, "since"), below=_text(entry, "below"), breaks=_text(entry, "breaks"))


def _reject_unknown(table: dict[str, Any], known: set[str], prefix: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise BadContract(f"{prefix}{unknown[0]} is not a key here; there are {', '.join(sorted(known))}")


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise BadContract(f"{key} must be a string")
    return value


def _texts(table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise BadContract(f"{key} must be a list of strings")
    return tuple(value)
