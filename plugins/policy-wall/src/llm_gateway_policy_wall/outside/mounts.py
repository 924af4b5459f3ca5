"""Build bubblewrap's command line, which defines the files that a run sees."""

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
#: Programs, libraries and configuration of the machine. A run sees no other top-level folders.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt"),
    *("/nix/store", "/gnu/store", "/run/current-system", "/var/lib/snapd/snap", "/snap"),
)
#: Configuration that only root may read. This matters if the gateway runs as root.
_HIDDEN_FILES = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/krb5.keytab")
_HIDDEN_FOLDERS = (
    *("/etc/sudoers.d", "/etc/ssl/private", "/etc/ssh", "/etc/NetworkManager/system-connections"),
    *("/etc/kubernetes", "/etc/docker", "/etc/wireguard"),
)
#: Paths in /proc that root can write even without capabilities.
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
_MOST_ENTRIES = 20_000  #: number of directory entries that are searched for repositories inside of a working directory
UID = 1000


class CannotBuild(Exception):
    """The wall cannot be built. The message is written to the run's stderr."""


def build(
    plan: Mapping[str, Any],
    env: Mapping[str, str],
    program: str,
    run_files: str,
    mount_points: MountPoints,
    *,
    passwd: int,
) -> list[str]:
    """Return the arguments of `bwrap`, up to the program inside. Raises CannotBuild.

    :param program: the absolute path of the agent's program.
    :param passwd: a descriptor with the content of the run's /etc/passwd.
    """
    home, home_links = paths.resolve(env.get("HOME") or "/nonexistent")
    work = [os.path.realpath(folder) for folder in plan["work"]]
    arguments = [
        *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *(() if plan["network"] == "on" else ("--unshare-net",)),
        *("--cap-drop", "ALL", "--die-with-parent", "--as-pid-1"),
        *(("--uid", str(UID), "--gid", str(UID)) if os.geteuid() == 0 else ()),
    ]
    for path in _SYSTEM:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            arguments += ["--ro-bind", path, path]
    for path in _HIDDEN_FILES:
        arguments += ["--ro-bind", os.devnull, path] if os.path.isfile(path) else []
    for path in _HIDDEN_FOLDERS:
        arguments += ["--tmpfs", path] if os.path.isdir(path) else []
    arguments += ["--ro-bind-data", str(passwd), "/etc/passwd", "--proc", "/proc"]
    for path in _KERNEL:
        arguments += ["--ro-bind", path, path] if os.path.exists(path) else []
    arguments += ["--dev", "/dev"]
    for path in ("/tmp", "/var/tmp", "/run", home):  # noqa: S108  inside of the wall
        arguments += ["--dir", path] if path == home else ["--tmpfs", path]
    for place, target in home_links:
        arguments += ["--symlink", target, place]
    resolver = os.path.realpath("/etc/resolv.conf")
    if plan["network"] == "on" and resolver != "/etc/resolv.conf" and os.path.isfile(resolver):
        arguments += ["--ro-bind", resolver, resolver]

    readable, writable = _reads(plan, env, program, work), _writes(plan, env)
    if plan["writes"]:
        writable += work
    else:
        readable += work
    writable.append(run_files)
    open_folders = [os.path.realpath(path) for path in writable]
    changed_folders = work if plan["writes"] else []
    closed = [path for folder in changed_folders for path in _protected(folder, plan["protected"], mount_points)]
    closed += _settings(plan, env, open_folders, mount_points)
    programs = map(os.path.realpath, paths.program_paths(program, env))
    closed += [path for path in programs if any(_below(path, folder) for folder in open_folders)]
    arguments += _binds(readable, writable, closed)
    helper = os.path.join(os.path.dirname(os.path.abspath(__file__)), "init.py")
    return [*arguments, "--ro-bind", helper, f"{INSIDE}/init.py", "--chdir", os.path.realpath(plan["work"][0]), "--"]


def _reads(plan: Mapping[str, Any], env: Mapping[str, str], program: str, work: Sequence[str]) -> list[str]:
    """Return the readable paths: programs, certificates, paths of the operator, and the repositories of the directories."""
    found = paths.program_paths(program, env)
    found += [*paths.program_paths(sys.executable, env), sys.base_prefix]
    found += _expanded(plan["visible"], env)
    certificates = [env.get(name, "") for name in _CERTIFICATES]
    found += [path for path in certificates if os.path.isabs(path)]
    found += _expanded([path for path in plan["own_settings"] if path.startswith("$")], env)
    home = os.path.realpath(env.get("HOME") or "/nonexistent")
    for folder in work:
        root, state = paths.repository(folder)
        if root and not paths.inside(home, root):
            found += [root, *(path for path in state if not paths.inside(home, path))]
    return found


def _writes(plan: Mapping[str, Any], env: Mapping[str, str]) -> list[str]:
    """Return the writable paths: the provider's files and folders (missing folders are created) and the operator's paths."""
    found = []
    for path in _expanded(plan["own_paths"], env):
        if not os.path.exists(path) and "." not in os.path.basename(path)[1:]:
            os.makedirs(path, mode=0o700, exist_ok=True)
        found.append(path)
    return [*found, *_expanded(plan["writable"], env)]


def _expanded(entries: Iterable[str], env: Mapping[str, str]) -> list[str]:
    candidates = [paths.expand(entry, env) for entry in entries]
    return [path for path in candidates if path]


def _protected(folder: str, names: Iterable[str], mount_points: MountPoints) -> list[str]:
    found = []
    for name in names:
        path = os.path.join(folder, name)
        try:
            if mount_points.hold(path):
                found.append(path)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise CannotBuild(
                f"{path} is a symbolic link, which a run could replace: replace it by a folder, or remove {name} "
                "from [wall] protected"
            ) from error
    return [*found, *paths.nested(folder, names, most=_MOST_ENTRIES)]


def _settings(
    plan: Mapping[str, Any], env: Mapping[str, str], writable: Sequence[str], mount_points: MountPoints
) -> list[str]:
    """Return the paths of the provider's settings that are inside of writable folders."""
    found = []
    for setting in _expanded(plan["own_settings"], env):
        path = os.path.join(os.path.realpath(os.path.dirname(setting)), os.path.basename(setting))
        if not any(_below(path, folder) for folder in writable):
            continue
        try:
            if mount_points.hold(path):
                found.append(path)
        except OSError:  # a link of the user: protect its target
            if os.path.exists(path):
                found.append(os.path.realpath(path))
    return found


def _below(path: str, folder: str) -> bool:
    return path != folder and paths.inside(path, folder)


def _binds(readable: Iterable[str], writable: Iterable[str], closed: Iterable[str]) -> list[str]:
    """Return one mount for each path. Outer paths come first, so the innermost mount decides; for a path in several lists, the
    last list decides.

    Mounts use resolved paths, and links are created again as links, because bubblewrap would follow them.
    """
    options: dict[str, str] = {}
    links: dict[str, str] = {}
    for paths_of_kind, option in ((readable, "--ro-bind"), (writable, "--bind"), (closed, "--ro-bind")):
        for path in paths_of_kind:
            real, links_of_path = paths.resolve(path)
            links.update(links_of_path)
            if real != "/" and os.path.exists(real):
                options[real] = option
    system = [path for path in _SYSTEM if os.path.isdir(path) and not os.path.islink(path)]
    arguments: list[str] = []
    for path in sorted(options, key=lambda path: (path.count("/"), path)):
        if options[path] == "--bind" or not any(paths.inside(path, folder) for folder in system):
            arguments += [options[path], path, path]
    covered = [*system, *options, *(path for path in _SYSTEM if os.path.islink(path))]
    for place, target in sorted(links.items()):
        if not any(paths.inside(place, folder) for folder in covered):
            arguments += ["--symlink", target, place]
    return arguments
