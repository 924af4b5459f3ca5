"""Which requests a wall cannot hold. Pure but for the resolving of links."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from llm_gateway import Decision, Request, Verdict, home_directory
from llm_gateway_policy_wall.settings import WallSettings, homes


def judge(request: Request, settings: WallSettings, environ: Mapping[str, str], trouble: str) -> Verdict | None:
    """Deny what cannot be walled; None: no opinion.

    :param trouble: why no wall can be built on this machine; "" if one can.
    """
    if trouble and settings.required:
        return _denied(f"No wall can be built for this run, and [wall] required is set: {trouble}")
    for name, path in (("workingDir", request.working_dir), *(("addDirs", path) for path in request.add_dirs)):
        if reason := _exposed(path, settings.secrets, environ):
            return _denied(f"{name}: {reason}")
    return None


def _exposed(path: str, secrets: Iterable[str], environ: Mapping[str, str]) -> str:
    """Why a directory may not be opened to a run; "" if it may."""
    real, own = _real(path), homes(environ)
    if any(_inside(home, real) for home in own):
        return "the home directory lies in it, so a wall would hide nothing; name the project's own directory"
    kept = {
        _real(secret.replace("~", home, 1) if secret.startswith("~/") else secret) for secret in secrets for home in own
    }
    if environ.get("LLM_GATEWAY_HOME"):
        kept.add(_real(home_directory(environ)))
    if any(_inside(real, secret) or _inside(secret, real) for secret in kept):
        return "it holds secrets, or lies where they are ([wall] secrets); name another directory"
    return ""


def _real(path: str) -> str:
    return os.path.realpath(path.replace("\0", ""))


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _denied(reason: str) -> Verdict:
    return Verdict(decision=Decision.DENY, policy="wall", reasons=(reason,))
