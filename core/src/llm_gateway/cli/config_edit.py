"""`llm-gateway config path`, `get`, `set` and `edit`. The file is only replaced by settings that are valid."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from llm_gateway.cli.config_file import value_of, with_value
from llm_gateway.cli.exits import Exit, UsageError
from llm_gateway.cli.running import log_to_stderr
from llm_gateway.cli.screen import say
from llm_gateway.files import make_private, read_regular, write_atomic
from llm_gateway.locations import config_file
from llm_gateway.opening import find_plugins
from llm_gateway.owned_processes import owned
from llm_gateway.plugins import PluginError
from llm_gateway.settings import SettingsError
from llm_gateway.settings.keys import env_name

_MOST_BYTES = 1 << 20  #: as for reading settings


def run(options: argparse.Namespace) -> int:
    """Run the subcommand."""
    log_to_stderr()
    path = Path(config_file(os.environ))
    if options.verb == "path":
        say(str(path))
        return Exit.OK
    return _set(path, options.key, options.value) if options.verb == "set" else _edit(path)


def _set(path: Path, key: str, typed: str) -> int:
    keys = tuple(key.split("."))
    if not all(keys):
        raise UsageError(f"{key!r} is not a key; llm-gateway config lists the keys")
    before = _read(path)
    changed = with_value(before, keys, value_of(typed))
    _check(changed, path)
    _replace(path, before, changed)
    say(f"{key} is set in {path}")
    if env_name(keys) in os.environ:
        say(f"note: the variable {env_name(keys)} is set, and it overrides the file", sys.stderr)
    return Exit.OK


def _edit(path: Path) -> int:
    """Let the user edit a copy, and replace the file when the copy is valid."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)):
            raise UsageError(f"config edit needs a terminal; here, use `llm-gateway config set`, or edit {path}")
        editor = "vi"
    before = _read(path)
    descriptor, name = tempfile.mkstemp(prefix="llm-gateway-config-", suffix=".toml")
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(before)
    try:
        with owned(os.environ, search=False) as variables:
            done = subprocess.run([*shlex.split(editor), name], env=variables, check=False)
    except (OSError, ValueError) as error:
        os.unlink(name)
        raise UsageError(f"the editor {editor} cannot be started: {error}; set VISUAL or EDITOR") from error
    if done.returncode != 0:
        os.unlink(name)
        raise UsageError(f"the editor {editor} ended with exit code {done.returncode}; nothing was changed")
    changed = _read(Path(name))
    try:
        _check(changed, path)
    except UsageError:
        say(f"the file was not changed; your text is in {name}", sys.stderr)
        raise
    os.unlink(name)
    _replace(path, before, changed)
    say(f"{path} was {'changed' if changed != before else 'left unchanged'}")
    return Exit.OK


def _read(path: Path) -> str:
    try:
        return read_regular(path, most_bytes=_MOST_BYTES, follow=True).decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _check(text: str, path: Path) -> None:
    """Raises UsageError if these settings are not valid."""
    with tempfile.TemporaryDirectory(prefix="llm-gateway-config-") as folder:
        trial = Path(folder) / "config.toml"
        trial.write_text(text, "utf-8")
        try:
            find_plugins({**os.environ, "LLM_GATEWAY_CONFIG": str(trial)})
        except (SettingsError, PluginError) as error:
            raise UsageError(
                f"not changed, because it would not be valid: {error}".replace(str(trial), str(path))
            ) from error


def _replace(path: Path, before: str, changed: str) -> None:
    """Replace the file, or the file that a link in its place leads to."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        make_private(target.parent)
    if _read(path) != before:
        raise UsageError(f"{path} was changed by another program meanwhile; try again")
    write_atomic(target, changed.encode())
