"""Putting one table into a TOML file, and taking it out, without touching anything else: spaces, order, comments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError

_UNSAFE = "this file is written in a way that cannot be edited safely"


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlTable:
    """One table of the file for each entry. Everything raises ValueError for a text that it cannot read."""

    key: str  #: of the tables
    name: str  #: of our entry
    array: bool = False  #: `[[key]]` with a field `name`, not `[key.name]`

    def find(self, text: str) -> dict[str, Any] | None:
        """Our entry."""
        entry = self._split(text)[1]
        return entry if isinstance(entry, dict) else None

    def add(self, text: str, entry: dict[str, Any]) -> str:
        """Put our entry in, at the end of the file where that can be; it must not be there."""
        others, _ = self._split(text)
        block = self._block(entry, text)
        newline = _newline(text)
        joined = text + ("" if text.endswith("\n") or not text else newline) + (newline if text.strip() else "") + block
        for made in (joined, self._within(text, entry)):
            if made is not None and self._says(made, others, entry):
                return made
        raise ValueError(_UNSAFE)

    def remove(self, text: str) -> str:
        """Take our entry out; it must be there."""
        others, entry = self._split(text)
        block = self._block(cast("dict[str, Any]", entry), text)
        for shape in (_newline(text) + block, block):
            if text.count(shape) == 1 and self._says(after := text.replace(shape, ""), others, None):
                return after
        document = tomlkit.parse(text)
        entries = cast("Any", document[self.key])
        if self.array:
            at = next(at for at, one in enumerate(entries) if one.get("name") == self.name)
            del entries[at]
        else:
            del entries[self.name]
        if not entries and not self.array:
            del document[self.key]
        after = tomlkit.dumps(document)
        if not self._says(after, others, None):
            raise ValueError(_UNSAFE)
        return after

    def _says(self, text: str, others: dict[str, Any], entry: dict[str, Any] | None) -> bool:
        try:
            return self._split(text) == (others, entry)
        except ValueError:
            return False

    def _split(self, text: str) -> tuple[dict[str, Any], Any]:
        """What the file says beside our entry, and our entry."""
        try:
            whole: dict[str, Any] = tomlkit.parse(text).unwrap()
        except TOMLKitError as problem:
            raise ValueError(str(problem)) from problem
        entries = whole.pop(self.key, None)
        if entries is None:
            return whole, None
        if not isinstance(entries, list if self.array else dict):
            raise ValueError(f"{self.key} is not what it should be")
        if isinstance(entries, list):
            ours = [one for one in entries if one.get("name") == self.name]
            rest: Any = [one for one in entries if one.get("name") != self.name]
            entry = ours[0] if ours else None
        else:
            entry = entries.pop(self.name, None)
            rest = entries
        return {**whole, **({self.key: rest} if rest else {})}, entry

    def _block(self, entry: dict[str, Any], text: str) -> str:
        table = tomlkit.item(entry)
        if self.array:
            tables = tomlkit.aot()
            tables.append(table)
            made = tomlkit.dumps({self.key: tables})
        else:
            outer = tomlkit.table(is_super_table=True)
            outer.add(self.name, table)
            made = tomlkit.dumps({self.key: outer})
        return made.replace("\n", _newline(text))

    def _within(self, text: str, entry: dict[str, Any]) -> str | None:
        """Where the entries stand in one line: there."""
        document = tomlkit.parse(text)
        entries = cast("Any", document.get(self.key))
        if entries is None:
            return None
        inline = tomlkit.inline_table()
        inline.update(entry)
        try:
            if self.array:
                entries.append(inline)
            else:
                entries[self.name] = inline
            return tomlkit.dumps(document)
        except (TOMLKitError, ValueError, TypeError):
            return None


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
