"""The home directory: ours alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from llm_gateway.files import make_private
from llm_gateway.settings.model import Settings, SettingsError, SettingsProblem


def prepare_home(settings: Settings) -> Path:
    """Make the home, 0700, or tighten the one that is there. Raises SettingsError if it cannot be trusted or used."""
    home = settings.home
    try:
        make_private(home)
        problem = _distrust(home)
        if not problem and stat.S_IMODE(home.stat().st_mode) != 0o700:
            home.chmod(0o700)
    except OSError as error:
        problem = f"the home cannot be used: {error.strerror or error}"
    if problem:
        raise SettingsError([SettingsProblem(file=str(home), line=None, message=problem)])
    return home


def _distrust(home: Path) -> str | None:
    """Why somebody else may have a hand in this directory."""
    entry, target = home.lstat(), home.stat()
    if hasattr(os, "geteuid"):
        if {entry.st_uid, target.st_uid} != {os.geteuid()}:
            return "the home belongs to another user"
        if target.st_mode & stat.S_IWOTH:
            return "the home is writable for everybody: look at what is in it, then run chmod 700"
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return "the home is not writable"
    return None
