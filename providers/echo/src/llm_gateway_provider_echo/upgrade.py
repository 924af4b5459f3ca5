"""Plan the upgrade of this installation. Runs nothing."""

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
    """Return the command for the environment of this plugin, which contains the program. Raises InvalidRequest."""
    if target is not None and not _VERSION.fullmatch(target):
        raise InvalidRequest(f"{target!r} is not a version: pass one such as 0.1.0.")
    wanted = f"{DISTRIBUTION}=={target}" if target else DISTRIBUTION
    if importlib.util.find_spec("pip"):
        return UpgradePlan(argv=(sys.executable, "-m", "pip", "install", "--upgrade", wanted), method="pip")
    uv = find_executable("uv", os.environ)
    if uv:
        return UpgradePlan(argv=(uv, "pip", "install", "--python", sys.executable, "--upgrade", wanted), method="uv")
    return None
