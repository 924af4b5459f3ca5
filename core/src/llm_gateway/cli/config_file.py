"""Change one key of the settings file, and leave everything else in it as it is: comments, order, white space. Pure.

The changed text is parsed again. If it does not say exactly what it should, the change is refused.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import tomli

from llm_gateway.cli.exits import UsageError

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_HEADER = re.compile(r"\s*\[(?P<path>[^\[\]]+)\]\s*(?:#.*)?$")


def value_of(text: str) -> Any:
    """Return what a user typed: a value of TOML (`7`, `true`, `["a"]`), or else the text itself."""
    try:
        return tomli.loads(f"value = {text}\n")["value"]
    except tomli.TOMLDecodeError:
        return text


def with_value(text: str, path: Sequence[str], value: Any) -> str:
    """Return the text of a settings file in which a key has a value. Raises UsageError.

    :param path: the tables and the key, such as ("limits", "running").
    """
    before = _parsed(text)
    wanted = copy.deepcopy(before)
    _set(wanted, path, value)
    changed = _edited(text, list(path), f"{_key(path[-1])} = {_written(value)}")
    try:
        if tomli.loads(changed) == wanted:
            return changed
    except tomli.TOMLDecodeError:
        pass
    raise UsageError(
        f"{'.'.join(path)} cannot be changed here without changing other lines; use: llm-gateway config edit"
    )


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise UsageError(f"the settings file is not valid TOML: {error}; use: llm-gateway config edit") from error


def _set(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
        if not isinstance(document, dict):
            raise UsageError(f"{'.'.join(path)}: {name} is no table in the settings file")
    document[path[-1]] = value


def _edited(text: str, path: list[str], line: str) -> str:
    """Replace the line of the key, or add the line to its table, or add the table."""
    lines = text.removeprefix("\ufeff").splitlines()
    table, begin, end = path[:-1], 0, 0
    heads = [(number, _table_of(found)) for number, one in enumerate(lines) if (found := _HEADER.match(one))]
    if table:
        begin = next((number + 1 for number, head in heads if head == table), -1)
    if begin < 0:
        header = f"[{'.'.join(map(_key, table))}]"
        return "\n".join([*lines, *([""] if lines and lines[-1].strip() else []), header, line]) + "\n"
    end = next((number for number, _ in heads if number >= begin), len(lines))
    key = re.compile(rf"\s*(?:{re.escape(path[-1])}|\"{re.escape(path[-1])}\")\s*=")
    for number in range(begin, end):
        if key.match(lines[number]):
            return "\n".join([*lines[:number], line, *lines[number + 1 :]]) + "\n"
    while end > begin and not lines[end - 1].strip():  # above the empty lines before the next table
        end -= 1
    return "\n".join([*lines[:end], line, *lines[end:]]) + "\n"


def _table_of(header: re.Match[str]) -> list[str]:
    return [name.strip().strip("\"'") for name in header["path"].split(".")]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)


def _written(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {_written(one)}' for name, one in value.items())} }}"
    return str(value)  # dates and times
