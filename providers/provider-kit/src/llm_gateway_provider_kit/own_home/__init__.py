"""A configuration folder of the run's own, for a CLI that would otherwise start programs from the user's.

Some CLIs have no option against hooks, MCP servers and permission rules in the user's settings. Such a CLI is started with another
folder, which lies among the run's files: with those settings of the user that may apply, and with links to what must stay in the
user's folder, such as conversations. The user's own files are not changed, and secrets in them do not pass through the gateway.

The folder is made when the run starts, in the run's environment, by `launch.py`, which the run's files contain.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llm_gateway import RUN_FILES
from llm_gateway.files import read_regular

#: In texts of the folder: the user's folder of the CLI, and the user's home. Long, so that nobody's text contains them by chance.
OWN, HOME = "{llm-gateway:own}", "{llm-gateway:home}"
_LAUNCH = read_regular(Path(__file__).with_name("launch.py"), most_bytes=1 << 20, follow=True)
#: Python 3.10 needs `tomli`, which `-S` would hide.
_PYTHON = (sys.executable, "-I") if sys.version_info < (3, 11) else (sys.executable, "-I", "-S")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """How one TOML file of settings is made. Its texts may contain OWN and HOME."""

    keep: tuple[str, ...] = ()  #: dotted names of the user's settings that apply; `*` is any one name
    set: Mapping[str, Any] = field(default_factory=dict)  #: what replaces the user's settings


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHome:
    """What the folder contains. Names of files and folders are relative to the CLI's folder."""

    variable: str  #: the variable that names the CLI's folder
    default: str  #: the folder without that variable, relative to the home
    settings: Mapping[str, SettingsFile]  #: files of settings, by name
    folders: tuple[str, ...] = ()  #: linked; created in the user's folder if missing
    files: tuple[str, ...] = ()  #: linked if they exist
    made: Mapping[str, str] = field(default_factory=dict, repr=False)  #: created, name -> text
    env: Mapping[str, str] = field(
        default_factory=dict
    )  #: set unless the run's environment has them; values may contain OWN and HOME
    #: Files below the user's home that the CLI must not see. If one exists, the run's HOME is a folder with links to all others.
    hidden: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()  #: files of the run in which OWN and HOME are replaced, inside of JSON strings

    @property
    def argv(self) -> tuple[str, ...]:
        """The beginning of the command, before the program's name."""
        return (*_PYTHON, f"{RUN_FILES}/launch.py", RUN_FILES)

    @property
    def run_files(self) -> Mapping[str, bytes]:
        """Files for `Invocation.files`."""
        return {
            "launch.py": _LAUNCH,
            "home.json": json.dumps({**asdict(self), "words": {"own": OWN, "home": HOME}}, default=str).encode(),
        }
