"""Decide which requests a wall cannot protect. Pure, except that it resolves links."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from llm_gateway import Decision, Request, Verdict, home_directory
from llm_gateway_policy_wall.settings import WallSettings, homes


def judge(request: Request, settings: WallSettings, environ: Mapping[str, str], trouble: str) -> Verdict | None:
    """Deny requests that cannot run behind a wall. None: no verdict.

    :param trouble: why no wall can be built on this machine; "" if one can be built.
    """
    if trouble and settings.required:
        return _denied(f"No wall can be built for this run, and [wall] required is set: {trouble}")
    for name, path in (("workingDir", request.working_dir), *(("addDirs", path) for path in request.add_dirs)):
        reason = _exposed(path, settings.secrets, environ)
        if reason:
            return _denied(f"{name}: {reason}")
    return None


def _exposed(path: str, secrets: Iterable[str], environ: Mapping[str, str]) -> str:
    """Return why a directory may not be opened to a run; "" if it may."""
    real = _real(path)
    user_homes = homes(environ)
    if any(_inside(home, real) for home in user_homes):
        return "the directory contains the home directory, so a wall would hide nothing; pass the project's directory"
    secret_paths: set[str] = set()
    for secret in secrets:
        for home in user_homes:
            secret_paths.add(_real(secret.replace("~", home, 1) if secret.startswith("~/") else secret))
    if environ.get("LLM_GATEWAY_HOME"):
        secret_paths.add(_real(home_directory(environ)))
    if any(_inside(real, secret) or _inside(secret, real) for secret in secret_paths):
        return "the directory contains secrets or is inside of a secret path ([wall] secrets); pass another directory"
    return ""


def _real(path: str) -> str:
    return os.path.realpath(path.replace("\0", ""))


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _denied(reason: str) -> Verdict:
    return Verdict(decision=Decision.DENY, policy="wall", reasons=(reason,))
