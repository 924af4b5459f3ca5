"""The paths of the gateway's home and settings file, and parsing of paths that a person wrote. Standard library only.

All code that reads `LLM_GATEWAY_HOME` or `LLM_GATEWAY_CONFIG` uses these functions, so that all processes use the same path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

HOME_VARIABLE = "LLM_GATEWAY_HOME"
CONFIG_VARIABLE = "LLM_GATEWAY_CONFIG"
_DEFAULT_HOME = "~/.llm-cli-gateway"
_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^{}]*)\})", re.ASCII)


class LocationError(ValueError):
    """A path is not valid. The message is one line for the person who wrote the path."""

    def __init__(self, message: str, *, variable: str = "") -> None:
        super().__init__(f"{variable} {message}" if variable else message)
        self.message = message
        self.variable = variable  #: the environment variable that contains the path; empty if there is none


def home_directory(environ: Mapping[str, str]) -> str:
    """Return the absolute path of the gateway's home. Raises LocationError."""
    return _place(environ, HOME_VARIABLE, _DEFAULT_HOME)


def config_file(environ: Mapping[str, str]) -> str:
    """Return the absolute path of the settings file. Raises LocationError."""
    if environ.get(CONFIG_VARIABLE):
        return _place(environ, CONFIG_VARIABLE, "")
    return os.path.join(home_directory(environ), "config.toml")


def user_home(environ: Mapping[str, str], default: str | None = None) -> str:
    """Return the user's home directory: HOME, or else the entry in the system's user database.

    :param default: the result if neither is known. Without it, LocationError is raised.
    """
    home = environ.get("HOME")
    if home:
        return home
    try:
        return _home_of(None)
    except LocationError:
        if default is None:
            raise
        return default


def expand_user(path: str, environ: Mapping[str, str]) -> str:
    """Replace a leading `~` or `~name`. Raises LocationError."""
    if not path.startswith("~"):
        return path
    name, slash, rest = path[1:].partition("/")
    home = _home_of(name) if name else user_home(environ)
    return home.rstrip("/") + slash + rest or "/"


def path_of(text: str, environ: Mapping[str, str]) -> str:
    """Convert a client's path or `file:` URI to a path, which may be relative. Raises LocationError."""
    if not text.casefold().startswith("file:"):
        return expand_user(text, environ)
    from urllib.parse import unquote, urlsplit  # costs 4 ms, and only a URI needs it

    parts = urlsplit(text)
    if parts.netloc.casefold() not in ("", "localhost"):
        raise LocationError(f"{text} names a file on another machine ({parts.netloc})")
    if parts.query or parts.fragment:
        raise LocationError(f"{text}: write ? and # in a file URI as %3F and %23")
    path = unquote(parts.path, errors="surrogateescape")
    if not text[5:].startswith("//") or not path.startswith("/"):
        raise LocationError(f"{text} is not a file URI with an absolute path")
    return path


def _place(environ: Mapping[str, str], variable: str, default: str) -> str:
    text = environ.get(variable) or default
    try:
        path = expand_user(_VARIABLE.sub(lambda found: _value(found, environ), text), environ)
        if "${" in path:
            raise LocationError("it contains a variable that was not replaced; write the path itself")
        if not os.path.isabs(path):
            raise LocationError("it must be an absolute path")
        if "\0" in path:
            raise LocationError("it contains a NUL byte")
    except LocationError as error:
        value = f"is {text!r}" if environ.get(variable) else f"is not set, so the default is {default}"
        raise LocationError(f"{value}: {error}", variable=variable) from None
    return path.rstrip("/") or "/"


def _value(found: re.Match[str], environ: Mapping[str, str]) -> str:
    value = environ.get(found[1] or found[2])
    if not value:
        raise LocationError(f"{found[0]} is not set; set it, or write the path itself")
    return value


def _home_of(name: str | None) -> str:
    import pwd  # imported late: most processes have HOME

    try:
        entry = pwd.getpwnam(name) if name else pwd.getpwuid(os.getuid())
    except KeyError:
        if name:
            raise LocationError(f"there is no user named {name}") from None
        raise LocationError(
            f"HOME is not set, and the system has no home directory for user id {os.getuid()}; set HOME"
        ) from None
    return entry.pw_dir
