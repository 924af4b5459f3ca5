"""Read the settings: first the file, then the environment, then one validation that reports all problems."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from copy import deepcopy
from pathlib import Path
from typing import Any

import tomli
from pydantic import BaseModel, ValidationError

from llm_gateway.files import read_regular
from llm_gateway.locations import LocationError, config_file, home_directory
from llm_gateway.naming import complaint, nearest
from llm_gateway.settings.keys import FIXED_NAMES, OTHER_NAMES, PREFIX, KeyPath, env_keys, keys
from llm_gateway.settings.lines import line_of, lines_of
from llm_gateway.settings.model import (
    CONFIG_KEYS,
    FileSettings,
    PluginSections,
    ProviderSection,
    Settings,
    SettingsError,
    SettingsProblem,
)

_MOST_BYTES = 16 << 20
_NO_CHOICE = "the plugin of {name} cannot choose whose configuration applies; remove this key"


def load_settings(environ: Mapping[str, str] = os.environ, sections: PluginSections | None = None) -> Settings:
    """Read file and environment. Raises SettingsError with all problems.

    :param sections: the settings of the loaded plugins. Without them, any name of a provider is accepted.
    """
    return _Loading(environ, sections).settings()


def _located(find: Callable[[Mapping[str, str]], str], environ: Mapping[str, str]) -> Path:
    try:
        return Path(find(environ))
    except LocationError as error:
        raise SettingsError([SettingsProblem(file=error.variable, line=None, message=error.message)]) from None


class _Loading:
    def __init__(self, environ: Mapping[str, str], sections: PluginSections | None) -> None:
        self.environ = environ
        self.strict = sections is not None
        self.sections = sections or PluginSections()
        self.home = _located(home_directory, environ)
        self.file = _located(config_file, environ)
        self.lines: dict[KeyPath, int] = {}
        self.from_env: dict[KeyPath, str] = {}
        self.problems: list[SettingsProblem] = []
        self.warnings: list[str] = []

    def settings(self) -> Settings:
        data = self._read_file()
        sources = {".".join(path): self._in_file(path) for path in _leaves(data)}
        self._overlay(data)
        sources |= {".".join(path): name for path, name in self.from_env.items()}
        bypass = self._number("LLM_GATEWAY_APPROVAL_ALLOW_BYPASS", "[01]", "must be 1 or 0")
        depth = self._number("LLM_GATEWAY_DEPTH", "[0-9]{1,6}", "must be a whole number, 0 or more")
        plugins = {name: self._check(model, data.pop(name, {}), (name,)) for name, model in self.sections.top.items()}
        self._skip_unloaded(data, (), self.sections.unread - FileSettings.model_fields.keys())
        options = self._take_provider_options(data.get("providers", {}))
        checked = self._check(FileSettings, data, ())
        if self.problems:
            raise SettingsError(sorted(self.problems, key=lambda problem: (problem.file, problem.line or 0)))
        return Settings.model_construct(
            **dict(checked),
            home=self.home,
            config_file=self.file,
            allow_bypass=bool(bypass),
            depth=depth,
            plugins=plugins,
            provider_options=options,
            sources=sources,
            warnings=tuple(self.warnings),
        )

    def _in_file(self, path: KeyPath) -> str:
        return f"{self.file}:{line_of(path, self.lines)}"

    def _problem(self, where: str, message: str, line: int | None = None) -> None:
        self.problems.append(SettingsProblem(file=where, line=line, message=message))

    def _read_file(self) -> dict[str, Any]:
        try:
            raw = read_regular(self.file, most_bytes=_MOST_BYTES, follow=True)
            text = raw.decode("utf-8-sig")
            data = tomli.loads(text)
        except (FileNotFoundError, NotADirectoryError):
            if self.environ.get("LLM_GATEWAY_CONFIG"):
                self._problem("LLM_GATEWAY_CONFIG", f"the file {self.file} does not exist")
        except OSError as error:
            self._problem(str(self.file), f"cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            self._problem(str(self.file), "not UTF-8", error.object[: error.start].count(b"\n") + 1)
        except (tomli.TOMLDecodeError, RecursionError) as error:
            found = re.search(r"\(at line (\d+)", str(error))
            line = int(found[1]) if found else max(1, len(text.splitlines()))
            self._problem(str(self.file), f"invalid TOML: {error}", line)
        else:
            self.lines = lines_of(text)
            return data
        return {}

    def _overlay(self, data: dict[str, Any]) -> None:
        """Replace values of the file by values of the environment."""
        known = env_keys(self.sections)
        for name in sorted(name for name in self.environ if name.startswith(PREFIX)):
            path = known.get(name)
            if path is None:
                if name not in OTHER_NAMES and name not in self.sections.env:
                    self.warnings.append(f"{name} is set but unknown{nearest(name, [*known, *OTHER_NAMES])}")
                continue
            value: Any = self.environ[name]
            if not value:
                continue
            if path in self.from_env:
                self._problem(name, f"{self.from_env[path]} sets the same key; unset one of them")
                continue
            divisor = FIXED_NAMES.get(name, (path, 1))[1]
            if divisor != 1:
                try:
                    value = float(value) / divisor
                except ValueError:
                    self._problem(name, "not a number")
                    continue
            self.from_env[path] = name
            table: Any = data
            for part in path[:-1]:
                table = table.setdefault(part, {}) if isinstance(table, dict) else None
            if isinstance(table, dict):
                table[path[-1]] = value

    def _number(self, name: str, pattern: str, message: str) -> int:
        value = self.environ.get(name) or "0"
        if re.fullmatch(pattern, value):
            return int(value)
        self._problem(name, message)
        return 0

    def _skip_unloaded(self, tables: dict[str, Any], at: KeyPath, names: Set[str]) -> None:
        """Remove the sections of plugins that are not loaded: there is no model to validate them."""
        for name in sorted(tables.keys() & names):
            del tables[name]
            path = (*at, name)
            self.warnings.append(f"{self._in_file(path)}: [{'.'.join(path)}] is ignored: its plugin is not loaded")

    def _take_provider_options(self, tables: Any) -> dict[str, BaseModel]:
        """Move the keys of the providers' plugins out of `tables`, and validate them. The kernel's keys stay in `tables`."""
        if not isinstance(tables, dict):
            return {}
        known, known_to_choose = self.sections.providers, self.sections.configurable
        if self.strict:
            self._skip_unloaded(tables, ("providers",), self.sections.unread - known.keys())
            for name in sorted(tables.keys() - known.keys()):
                del tables[name]
                self._report(("providers", name), f"no provider named {name} is installed{nearest(name, known)}")
        taken = {}
        for name, model in known.items():
            table = tables.get(name, {})
            if model and isinstance(table, dict):
                kernels = ProviderSection.model_fields.keys() - model.model_fields.keys()
                options = {key: table.pop(key) for key in [*table] if key not in kernels}
                taken[name] = self._check(model, options, ("providers", name))
            if self.strict and name not in known_to_choose and isinstance(table, dict):
                for key in sorted(CONFIG_KEYS & table.keys()):
                    self._report(("providers", name, key), f"providers.{name}.{key}: {_NO_CHOICE.format(name=name)}")
        return taken

    def _check(self, model: type[BaseModel], data: Any, at: KeyPath) -> Any:
        """Return an instance of the model; None if there is a problem, which is then recorded."""
        try:
            return model.model_validate(deepcopy(data))
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False, include_context=False):
                path = (*at, *map(str, detail["loc"]))
                if detail["type"] == "extra_forbidden":
                    self._report(path, self._unknown(path))
                else:
                    self._report(path, f"{'.'.join(path)}: {complaint(detail)}")
            return None

    def _report(self, path: KeyPath, message: str) -> None:
        for depth in range(len(path), 0, -1):
            variable = self.from_env.get(path[:depth])
            if variable:
                self._problem(variable, message)
                return
        self._problem(str(self.file), message, line_of(path, self.lines))

    def _unknown(self, path: KeyPath) -> str:
        *table, last = path
        text = f"unknown key {last}"
        if table:
            text += f" in [{'.'.join(table)}]"
        known = [key for key, _ in keys(self.sections)]
        in_table = {key[len(table)] for key in known if len(key) > len(table) and _covers(key, table)}
        suggestion = nearest(last, in_table)
        elsewhere = [".".join(key) for key in known if key[-1] == last]
        if not suggestion and elsewhere:
            suggestion = f"; did you mean {elsewhere[0]}?"
        return text + suggestion


def _covers(key: KeyPath, path: Sequence[str]) -> bool:
    return all(part in ("<name>", given) for part, given in zip(key, path, strict=False))


def _leaves(data: Mapping[str, Any], at: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*at, key))
        else:
            yield (*at, key)
