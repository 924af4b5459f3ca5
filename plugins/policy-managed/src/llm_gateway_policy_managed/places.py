"""Directories: which are inside which, and which hold what no run should reach. Looks at symbolic links, reads nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

from llm_gateway import home_directory

#: Below the home directory: keys, logins of other services, browsers, and the agents' own logins and settings.
PRIVATE = (
    *(".ssh", ".gnupg", ".password-store", ".local/share/keyrings", "Library/Keychains"),
    *(".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh"),
    *(".mozilla", ".config/google-chrome", ".config/chromium", "Library/Application Support/Google/Chrome"),
    *(".claude", ".codex", ".gemini", ".grok", ".vibe"),
)
#: The system's own.
SYSTEM = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
)
#: Inside of those, but anybody's.
_OPEN = ("/dev/shm",)  # noqa: S108 - it is only named


def real(path: str) -> str:
    """The directory that is meant, without symbolic links; what can be no path stays as it is."""
    try:
        return os.path.realpath(os.path.expanduser(path))
    except ValueError:  # a NUL byte, which the gateway refuses anyway
        return path


def inside(path: str, folder: str) -> bool:
    """Whether a real path is this folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def home() -> str:
    """The user's home directory."""
    return real("~")


def is_sensitive(path: str) -> bool:
    """Whether a real path lies in a place of keys, logins or the system or in the gateway's own home, or holds one of them.

    What holds the whole home directory is another matter.
    """
    if any(inside(path, real(place)) for place in _OPEN):
        return False
    around_home = inside(home(), path)
    return any(
        inside(path, place) or (not around_home and inside(place, path) and os.path.exists(place))
        for place in _sensitive()
    )


def _sensitive() -> Iterator[str]:
    yield real(home_directory(os.environ))
    yield from (real(os.path.join("~", place)) for place in PRIVATE)
    yield from map(real, SYSTEM)
