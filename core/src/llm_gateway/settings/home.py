"""The home directory: only the gateway's user may read and write it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from llm_gateway.files import make_private
from llm_gateway.settings.model import Settings, SettingsError, SettingsProblem


def prepare_home(settings: Settings) -> Path:
    """Create the home with mode 0700, or set that mode. Raises SettingsError if the home is not safe or not usable."""
    home = settings.home
    try:
        make_private(home)
        problem = _unsafe(home)
        if not problem and stat.S_IMODE(home.stat().st_mode) != 0o700:
            home.chmod(0o700)
    except OSError as error:
        problem = f"the home cannot be used: {error.strerror or error}"
    if problem:
        raise SettingsError([SettingsProblem(file=str(home), line=None, message=problem)])
    return home


def _unsafe(home: Path) -> str | None:
    """Return why the directory is not safe to use, or None. Other users must not be able to change it."""
    entry, target = home.lstat(), home.stat()
    if hasattr(os, "geteuid"):
        if {entry.st_uid, target.st_uid} != {os.geteuid()}:
            return "the home belongs to another user"
        if target.st_mode & stat.S_IWOTH:
            return "the home is writable for all users: check its files, then run chmod 700"
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return "the home is not writable"
    return None
