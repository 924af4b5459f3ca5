"""Read the settings that an `OwnHome` chooses from, to learn what results: for `ProviderInfo.read_config`. Blocking."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import tomli

from llm_gateway import ConfigChoice, error_for, read_cached

_MOST_BYTES = 4 << 20


def toml_settings(path: str, title: str, provider: str, *, follow: bool = False) -> Mapping[str, Any]:
    """Return the settings in a file; empty if there is none. Callers must not change the result.

    :param follow: follow a symlink: for the user's own file, never for one of a repository.

    Raises InvalidRequest for a file that is not valid: a run without it could use another account or service.
    """
    try:
        return read_cached(path, _parsed, most_bytes=_MOST_BYTES, follow=follow)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise error_for(
            "invalid_request",
            f"{title}'s settings in {path} cannot be used: {error}. Without them the run could use another account.",
            recovery=f'Correct the file, or set config = "isolated" under [providers.{provider}] in the settings.',
        ) from error


def project_file(choice: ConfigChoice, name: str) -> str | None:
    """Return the nearest file of this name in the working directory and its parents, inside of the trusted directory."""
    here = choice.working_dir if choice.trusted else ""
    while here and (here == choice.trusted or here.startswith(choice.trusted.rstrip("/") + "/")):
        path = os.path.join(here, name)
        if os.path.isfile(path) and os.path.realpath(path).startswith(choice.trusted.rstrip("/") + "/"):
            return path
        here = os.path.dirname(here)
    return None


def address(url: object) -> str | None:
    """Return a service's address without user, password and query; None for what is no address."""
    if not isinstance(url, str) or not url:
        return None
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def tables(value: object) -> Sequence[Mapping[str, Any]]:
    """Return the tables in a list, or an empty list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _parsed(data: bytes) -> Mapping[str, Any]:
    return tomli.loads(data.decode())
