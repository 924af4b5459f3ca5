"""Directories: which are inside which, and which hold what no run should reach. Looks at symbolic links, reads nothing."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator

from llm_gateway import expand_user, home_directory

#: Below the home directory. What programs start from here runs with the user's rights, as what it holds opens other machines.
PRIVATE = (
    # keys and passwords
    *(".ssh", ".gnupg", ".age", ".password-store", ".local/share/keyrings", ".local/share/kwalletd", ".pki"),
    *("Library/Keychains", ".config/op", ".config/1Password", ".config/Bitwarden", ".config/keepassxc", ".config/sops"),
    *(".netrc", ".authinfo", ".authinfo.gpg", ".git-credentials", ".config/git", ".gitconfig", ".pgpass", ".my.cnf"),
    *(".mylogin.cnf", ".vault-token"),
    # logins of other services
    *(".aws", ".azure", ".kube", ".docker", ".oci", ".aliyun", ".bluemix", ".terraform.d", ".terraformrc", ".fly"),
    *(".config/gcloud", ".config/gh", ".config/glab-cli", ".config/hub", ".config/doctl", ".config/heroku"),
    *(".config/rclone", ".config/containers", ".s3cfg", ".boto", ".npmrc", ".yarnrc", ".pypirc", ".config/pip"),
    *(".cargo/credentials", ".cargo/credentials.toml", ".cargo/bin", ".gem/credentials", ".m2/settings.xml"),
    *(".gradle/gradle.properties", ".composer/auth.json", ".config/composer"),
    # browsers and mail
    *(".mozilla", ".librewolf", ".thunderbird", ".config/google-chrome", ".config/chromium", ".config/microsoft-edge"),
    *(".config/BraveSoftware", ".config/vivaldi", ".config/opera", "snap/firefox", "snap/chromium", ".var/app"),
    *("Library/Application Support/Google", "Library/Application Support/Chromium"),
    *("Library/Application Support/Firefox", "Library/Application Support/BraveSoftware"),
    *("Library/Application Support/Microsoft Edge", "Library/Application Support/Arc", "Library/Safari"),
    *("Library/Cookies", "Library/Mail", "Library/Messages"),
    # what a shell, a session or a machine starts by itself
    *(".profile", ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".zshrc", ".zshenv"),
    *(".zprofile", ".zlogin", ".zlogout", ".kshrc", ".cshrc", ".tcshrc", ".login", ".logout", ".inputrc"),
    *(".config/fish", ".config/zsh", ".config/nushell", ".config/environment.d", ".pam_environment", ".xprofile"),
    *(".xinitrc", ".xsession", ".xsessionrc", ".config/autostart", ".config/autostart-scripts"),
    *(".config/plasma-workspace", ".config/systemd", ".local/share/systemd", ".local/share/applications"),
    *(".local/share/dbus-1", "Library/LaunchAgents", "Library/LaunchDaemons"),
    # what editors and interpreters start by themselves, and programs that are found before the system's own
    *(".vimrc", ".vim", ".config/nvim", ".emacs", ".emacs.d", ".config/emacs", ".tmux.conf", ".config/tmux"),
    *(".local/bin", "bin", ".pythonrc", ".config/direnv"),
    # agents, also those whose plugin is not installed
    *(".claude", ".claude.json", ".codex", ".gemini", ".grok", ".vibe", ".cursor", ".config/Code", ".vscode"),
)
#: The system's own.
SYSTEM = (
    *(
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/opt",
        "/proc",
        "/root",
        "/run",
        "/sbin",
    ),
    *("/snap", "/sys", "/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/local", "/usr/sbin"),
    *("/var/lib", "/var/log", "/var/mail", "/var/run", "/var/spool", "/nix", "/gnu"),
    *("/System", "/Library", "/Applications", "/private/etc", "/private/var/db", "/private/var/root"),
)
#: Inside of those, but public.
_OPEN = ("/dev/shm",)  # noqa: S108 - it is only named


def real(path: str) -> str:
    """The directory that is meant, without symbolic links; what can be no path stays as it is."""
    try:
        return os.path.realpath(expand_user(path, os.environ))
    except ValueError:  # a NUL byte, which the gateway refuses anyway, or a home that is not known
        return path


def inside(path: str, folder: str) -> bool:
    """Whether a real path is this folder or inside it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def home() -> str:
    """The user's home directory."""
    return real("~")


def is_sensitive(path: str, private: Iterable[str] = ()) -> bool:
    """Whether a real path is inside a place of keys, logins, the system or the gateway, or contains one of them.

    What holds the whole home directory is another matter.

    :param private: further places, absolute: those of the gateway and of the agents.
    """
    return _touches(path, private, holding=not _alike_inside(home(), path))


def opens_sensitive(path: str, private: Iterable[str] = ()) -> bool:
    """The same for what a tool opens: all of it, so that what holds the home directory counts too."""
    return _touches(path, private, holding=True)


def _touches(path: str, private: Iterable[str], *, holding: bool) -> bool:
    if any(inside(path, real(place)) for place in _OPEN):
        return False
    return any(
        _alike_inside(path, place) or (holding and _alike_inside(place, path) and os.path.lexists(place))
        for place in _sensitive(path, private)
    )


def _sensitive(path: str, private: Iterable[str]) -> Iterator[str]:
    """The sensitive places that count for a path."""
    own = home()
    yield real(home_directory(os.environ))
    yield from map(real, private)
    yield from (real(os.path.join("~", place)) for place in PRIVATE)
    # Links in the home are places too: writing to a link writes to its target, or replaces the link.
    yield from (os.path.join(own, place) for place in PRIVATE)
    at_home = own != os.sep and inside(path, own)
    # A home may lie in one of the system's places, as root's does: there the list above counts.
    yield from (place for place in map(real, SYSTEM) if not (at_home and inside(own, place)))


def _alike_inside(path: str, folder: str) -> bool:
    """As `inside`, but on a disk that takes two spellings of a name for one: what is denied is denied in each."""
    return inside(_alike(path), _alike(folder))


def _alike(path: str) -> str:
    return unicodedata.normalize("NFKC", path).casefold()
