"""What a run sees: the command line of bubblewrap."""

from __future__ import annotations

import errno
import os
import sys

from . import paths
from .mountpoints import MountPoints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

INSIDE = "/run/llm-gateway-wall"
#: Of the machine: its programs, libraries and configuration. What else lies at its root a run does not see.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt"),
    *("/nix/store", "/gnu/store", "/run/current-system", "/var/lib/snapd/snap", "/snap"),
)
#: Of the configuration: what only root may read. It matters where the gateway runs as root.
_HIDDEN_FILES = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/krb5.keytab")
_HIDDEN_FOLDERS = (
    *("/etc/sudoers.d", "/etc/ssl/private", "/etc/ssh", "/etc/NetworkManager/system-connections"),
    *("/etc/kubernetes", "/etc/docker", "/etc/wireguard"),
)
#: Of /proc: what root may write, whatever its capabilities.
_KERNEL = (
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
    "/proc/fs",
    "/proc/acpi",
    "/proc/scsi",
    "/proc/mtrr",
)
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "CODEX_CA_CERTIFICATE")
_ENTRIES = 20_000  #: looked at for repositories inside of a working directory
UID = 1000


class CannotBuild(Exception):
    """The wall cannot be what it must be; says why, for whoever reads the run's stderr."""


def build(
    plan: Mapping[str, Any], env: Mapping[str, str], program: str, run_files: str, places: MountPoints, *, passwd: int
) -> list[str]:
    """The words of `bwrap`, up to the program of the inside. Raises CannotBuild.

    :param program: the agent's, an absolute path.
    :param passwd: a descriptor with the content of the run's /etc/passwd.
    """
    home, home_links = paths.resolve(env.get("HOME") or "/nonexistent")
    work = [os.path.realpath(folder) for folder in plan["work"]]
    words = [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *(() if plan["network"] == "on" else ("--unshare-net",)),
        *("--cap-drop", "ALL", "--die-with-parent", "--as-pid-1"),
        *(("--uid", str(UID), "--gid", str(UID)) if os.geteuid() == 0 else ()),
    ]
    for path in _SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            words += ["--ro-bind", path, path]
    for path in _HIDDEN_FILES:
        words += ["--ro-bind", os.devnull, path] if os.path.isfile(path) else []
    for path in _HIDDEN_FOLDERS:
        words += ["--tmpfs", path] if os.path.isdir(path) else []
    words += ["--ro-bind-data", str(passwd), "/etc/passwd", "--proc", "/proc"]
    for path in _KERNEL:
        words += ["--ro-bind", path, path] if os.path.exists(path) else []
    words += ["--dev", "/dev"]
    for path in ("/tmp", "/var/tmp", "/run", home):  # noqa: S108  the run's own
        words += ["--dir", path] if path == home else ["--tmpfs", path]
    for place, target in home_links:
        words += ["--symlink", target, place]
    resolver = os.path.realpath("/etc/resolv.conf")
    if plan["network"] == "on" and resolver != "/etc/resolv.conf" and os.path.isfile(resolver):
        words += ["--ro-bind", resolver, resolver]

    readable, writable, closed = _reads(plan, env, program, work), _writes(plan, env), []
    (writable if plan["writes"] else readable).extend(work)
    writable.append(run_files)
    open_places = [os.path.realpath(path) for path in writable]
    for folder in work if plan["writes"] else ():
        closed += _protected(folder, plan["protected"], places)
    closed += _settings(plan, env, open_places, places)
    programs = map(os.path.realpath, paths.program_paths(program, env))
    closed += [path for path in programs if any(_below(path, one) for one in open_places)]
    words += _binds(readable, writable, closed)
    helper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "init.py")
    return [*words, "--ro-bind", helper, f"{INSIDE}/init.py", "--chdir", os.path.realpath(plan["work"][0]), "--"]


def _reads(plan: Mapping[str, Any], env: Mapping[str, str], program: str, work: Sequence[str]) -> list[str]:
    """Programs, certificates, what the operator opens, and the repositories that the directories belong to."""
    found = paths.program_paths(program, env)
    found += [*paths.program_paths(sys.executable, env), sys.base_prefix]
    found += [path for one in plan["visible"] if (path := paths.expand(one, env))]
    found += [value for name in _CERTIFICATES if os.path.isabs(value := env.get(name, ""))]
    found += [path for one in plan["own_settings"] if one.startswith("$") and (path := paths.expand(one, env))]
    home = os.path.realpath(env.get("HOME") or "/nonexistent")
    for folder in work:
        root, state = paths.repository(folder)
        if root and not paths.inside(home, root):
            found += [root, *(one for one in state if not paths.inside(home, one))]
    return found


def _writes(plan: Mapping[str, Any], env: Mapping[str, str]) -> list[str]:
    """The provider's own files and folders, made where they are missing, and what the operator opens."""
    found = []
    for path in filter(None, (paths.expand(one, env) for one in plan["own_paths"])):
        if not os.path.exists(path) and "." not in os.path.basename(path)[1:]:
            os.makedirs(path, mode=0o700, exist_ok=True)
        found.append(path)
    return [*found, *filter(None, (paths.expand(one, env) for one in plan["writable"]))]


def _protected(folder: str, names: Iterable[str], places: MountPoints) -> list[str]:
    found = []
    for name in names:
        path = os.path.join(folder, name)
        try:
            if places.hold(path):
                found.append(path)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise CannotBuild(
                f"{path} is a symbolic link, which a run could replace: make it a folder, or take {name} out of "
                "[wall] protected"
            ) from error
    return [*found, *paths.nested(folder, names, most=_ENTRIES)]


def _settings(
    plan: Mapping[str, Any], env: Mapping[str, str], writable: Sequence[str], places: MountPoints
) -> list[str]:
    """The provider's own settings, as far as they lie where the run may write."""
    found = []
    for given in filter(None, (paths.expand(one, env) for one in plan["own_settings"])):
        path = os.path.join(os.path.realpath(os.path.dirname(given)), os.path.basename(given))
        if not any(_below(path, one) for one in writable):
            continue
        try:
            if places.hold(path):
                found.append(path)
        except OSError:  # a link of the user's own: what it leads to is read-only as long as it lies elsewhere
            if os.path.exists(path):
                found.append(os.path.realpath(path))
    return found


def _below(path: str, folder: str) -> bool:
    return path != folder and paths.inside(path, folder)


def _binds(readable: Iterable[str], writable: Iterable[str], closed: Iterable[str]) -> list[str]:
    """One mount a path: outer ones first, so that the innermost decides; of one path's, the last of these lists.

    Every mount stands where its path really lies, and links are made again as links: bubblewrap would follow them.
    """
    ways: dict[str, str] = {}
    links: dict[str, str] = {}
    for paths_of_kind, way in ((readable, "--ro-bind"), (writable, "--bind"), (closed, "--ro-bind")):
        for path in paths_of_kind:
            real, on_the_way = paths.resolve(path)
            links.update(on_the_way)
            if real != "/" and os.path.exists(real):
                ways[real] = way
    system = [path for path in _SYSTEM if os.path.isdir(path) and not os.path.islink(path)]
    words: list[str] = []
    for path in sorted(ways, key=lambda path: (path.count("/"), path)):
        if ways[path] == "--bind" or not any(paths.inside(path, one) for one in system):
            words += [ways[path], path, path]
    covered = [*system, *ways, *(path for path in _SYSTEM if os.path.islink(path))]
    for place, target in sorted(links.items()):
        if not any(paths.inside(place, one) for one in covered):
            words += ["--symlink", target, place]
    return words
