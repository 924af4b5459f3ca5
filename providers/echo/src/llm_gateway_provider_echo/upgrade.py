"""How this installation of the program is brought to a version. Runs nothing."""

import importlib.util
import os
import re
import sys

from llm_gateway import UpgradePlan
from llm_gateway.errors import InvalidRequest
from llm_gateway.programs import find_executable

DISTRIBUTION = "llm-gateway-provider-echo"
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!+]{0,63}")


def plan(target: str | None) -> UpgradePlan | None:
    """The command for the environment that this plugin runs in: the program came with the plugin."""
    if target is not None and not _VERSION.fullmatch(target):
        raise InvalidRequest(f"{target!r} is not a version.")
    wanted = f"{DISTRIBUTION}=={target}" if target else DISTRIBUTION
    if importlib.util.find_spec("pip"):
        return UpgradePlan(argv=(sys.executable, "-m", "pip", "install", "--upgrade", wanted), method="pip")
    if uv := find_executable("uv", os.environ):
        return UpgradePlan(argv=(uv, "pip", "install", "--python", sys.executable, "--upgrade", wanted), method="uv")
    return None
