"""Start a CLI with a configuration folder of the run's own. Standard library only, and `tomli` on Python 3.10.

Run as `python -I launch.py <folder of the run's files> <program> <argument>...`, in the run's environment and directory. The plan is
`home.json` in that folder; `llm_gateway_provider_kit.own_home` describes it. The program replaces this process, so signals reach it.
"""

from __future__ import annotations

import datetime
import importlib
import json
import math
import os
import re
import stat
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

CANNOT = 78  #: exit code if the user's settings cannot be read; the program was not started
_MOST_BYTES = 16 << 20
_ESCAPED = re.compile(r'[\x00-\x1f\x7f"\\]')


class CannotStart(Exception):
    """The folder cannot be made. The message is written to the run's stderr."""


def main(run_files: str, argv: list[str]) -> None:
    """Make the folder and become the program."""
    os.umask(0o077)
    with open(os.path.join(run_files, "home.json"), "rb") as file:
        plan = json.load(file)
    env = dict(os.environ)
    try:
        prepare(run_files, plan, env)
    except CannotStart as error:
        _give_up(str(error))
    except OSError as error:
        _give_up(f"{error.strerror}: {error.filename}")
    os.execve(argv[0], argv, env)  # noqa: S606  argv is a list; no shell is involved


def prepare(run_files: str, plan: Mapping[str, Any], env: dict[str, str]) -> None:
    """Make the folder that the plan describes, and change the environment so that the program uses it. Raises CannotStart, OSError."""
    home = env.get("HOME") or "/"
    own = os.path.abspath(env.get(plan["variable"]) or os.path.join(home, plan["default"]))
    words = {plan["words"]["own"]: own, plan["words"]["home"]: home}
    made = os.path.join(run_files, "own")
    os.mkdir(made)
    for name, choice in plan["settings"].items():
        _write(os.path.join(made, name), _settings(os.path.join(own, name), choice, words))
    for name, text in plan["made"].items():
        place = os.path.join(made, name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        _write(place, text.encode("utf-8", "surrogatepass"))
    for name in plan["folders"]:
        with suppress(OSError):  # then the program reports that it cannot write there
            os.makedirs(os.path.join(own, name), mode=0o700, exist_ok=True)
    for name in (*plan["folders"], *plan["files"]):
        _link(os.path.join(own, name), os.path.join(made, name))
    for name in plan["filled"]:
        _fill(os.path.join(run_files, name), words)
    if any(os.path.lexists(os.path.join(home, name)) for name in plan["hidden"]):
        env["HOME"] = os.path.join(run_files, "user")
        _mirror(home, env["HOME"], [name.split("/") for name in plan["hidden"]])
    for name, value in plan["env"].items():
        env.setdefault(name, _filled(value, words))
    env[plan["variable"]] = made


def kept(settings: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Return the settings that the dotted names in `wanted` name, with everything below them. `*` stands for any one name."""
    found: dict[str, Any] = {}
    for dotted in wanted:
        _keep(settings, dotted.split("."), found)
    return found


def _keep(settings: Mapping[str, Any], names: list[str], found: dict[str, Any]) -> None:
    first, *rest = names
    for name in settings if first == "*" else [first] if first in settings else []:
        value = settings[name]
        if not rest:
            found[name] = value
        elif isinstance(value, dict):
            inner: dict[str, Any] = found.get(name, {})
            _keep(value, rest, inner)
            if inner:
                found[name] = inner


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both; where both have a value that is not a table, that of `above`."""
    both = dict(below)
    for name, value in above.items():
        known = both.get(name)
        both[name] = merged(known, value) if isinstance(value, dict) and isinstance(known, dict) else value
    return both


def as_toml(value: object) -> str:
    """Return a value in the notation of TOML, on one line. A whole document is a table without its braces: see `document`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", value) + '"'
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(name)} = {as_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else str(value)


def document(settings: Mapping[str, Any]) -> str:
    """Return the settings as a TOML document."""
    return "".join(f"{as_toml(name)} = {as_toml(value)}\n" for name, value in settings.items())


def _settings(path: str, choice: Mapping[str, Any], words: Mapping[str, str]) -> bytes:
    theirs = _parsed(path) if choice["keep"] else {}
    ours = json.loads(json.dumps(choice["set"]), object_hook=lambda table: _filled_table(table, words))
    return document(merged(kept(theirs, choice["keep"]), ours)).encode("utf-8", "surrogateescape")


def _parsed(path: str) -> dict[str, Any]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            raise CannotStart(f"{path} is not a file of settings")
        text = file.read(_MOST_BYTES)
    parser = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        settings: dict[str, Any] = parser.loads(text.decode())
    except ValueError as error:
        raise CannotStart(f"{path} cannot be read: {error}. Correct it, or move it away") from error
    return settings


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _filled_table(table: dict[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    return {name: _filled(value, words) if isinstance(value, str) else value for name, value in table.items()}


def _fill(path: str, words: Mapping[str, str]) -> None:
    """Replace the words in a file of the run, inside of JSON strings."""
    quoted = {word: json.dumps(value)[1:-1] for word, value in words.items()}
    with suppress(FileNotFoundError), open(path, "r+", encoding="utf-8") as file:
        text = _filled(file.read(), quoted)
        file.seek(0)
        file.truncate()
        file.write(text)


def _write(path: str, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(data)


def _link(target: str, place: str) -> None:
    if os.path.isdir(place) and os.path.isdir(target):  # it has files of the run, too
        for name in os.listdir(target):
            if not os.path.lexists(os.path.join(place, name)):
                os.symlink(os.path.join(target, name), os.path.join(place, name))
    elif os.path.lexists(target):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(target, place)


def _mirror(folder: str, place: str, hidden: list[list[str]]) -> None:
    """Make a folder with links to everything in another one, except the hidden names."""
    os.mkdir(place)
    inner: dict[str, list[list[str]]] = {}
    for first, *rest in hidden:
        inner.setdefault(first, []).append(rest)
    for name in os.listdir(folder):
        target = os.path.join(folder, name)
        if name not in inner:
            os.symlink(target, os.path.join(place, name))
        elif all(inner[name]) and os.path.isdir(target):
            _mirror(target, os.path.join(place, name), inner[name])


def _give_up(why: str) -> None:
    os.write(2, f"llm-gateway: the run was not started: {why}\n".encode(errors="replace"))
    sys.exit(CANNOT)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
