"""Where the notifiers' sockets of a home are, and their addresses.

The path of a socket has room for 107 bytes on Linux and for 103 on macOS (`sun_path`). If a home's path is too long, Linux uses a path
through /proc. Elsewhere the sockets are then in `/tmp/llm-gateway-<user id>/<device>-<inode of the home>/`. Only receivers create that
folder. Every user can write to /tmp, so it is used only if it is a private folder of this user.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

from llm_gateway.files import make_private
from llm_gateway_engine_local.process import PORTABLE

_LONGEST_PATH = 100
_LONGEST_NAME = 24  #: of a socket, with the separator
#: Beside the socket `<name>`: a sender found the receive buffer full.
MISSED = ".missed"


class NotPrivateError(PermissionError):
    """Another user could replace the sockets in this folder."""


def folder_of(home: str) -> str:
    """The folder of the sockets of a home. It need not exist. Raises NotPrivateError, and OSError if the home is missing."""
    folder = _usual_folder(home)
    if not PORTABLE or len(os.fsencode(folder)) + _LONGEST_NAME <= _LONGEST_PATH:
        return folder
    found = os.stat(home)
    place = f"/tmp/llm-gateway-{os.geteuid()}"  # noqa: S108  its owner and mode are checked
    folder = f"{place}/{found.st_dev:x}-{found.st_ino:x}"
    for path in (place, folder):
        with suppress(FileNotFoundError):
            _check_private(path)
    return folder


def make_folder(home: str) -> str:
    """Create the folder of the sockets of a home if it is missing. Raises NotPrivateError, and other OSErrors."""
    make_private(_usual_folder(home))
    folder = folder_of(home)
    if folder == _usual_folder(home):
        return folder
    make_private(folder)
    return folder_of(home)  # another user may have been faster: check what is there now


def remove_folder(home: str, folder: str) -> None:
    """Remove the folder of a home's sockets if it is outside of the home and no gateway receives there any more."""
    if folder == _usual_folder(home):
        return
    remove_unused(folder)
    with suppress(OSError):  # another home uses it
        os.rmdir(os.path.dirname(folder))


def remove_unused(folder: str) -> None:
    """Remove the sockets that no process receives on, and the folder if it is empty then."""
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        for name in os.listdir(directory):
            if not _is_received(folder, directory, name.removesuffix(MISSED)):
                unlink(directory, name)
        os.rmdir(folder)
    except OSError:  # a gateway is running, or something else is in there
        pass
    finally:
        os.close(directory)


def address(folder: str, directory: int, name: str) -> str:
    """The address of a socket in a folder.

    :param directory: a descriptor of the folder.
    """
    path = os.path.join(folder, name)
    if not PORTABLE and len(os.fsencode(path)) > _LONGEST_PATH and os.path.isdir("/proc/self/fd"):
        return f"/proc/self/fd/{directory}/{name}"
    return path


def unlink(directory: int, name: str) -> bool:
    """Delete an entry of an open folder. False: not possible."""
    try:
        os.unlink(name, dir_fd=directory)
    except OSError:
        return False
    return True


def _is_received(folder: str, directory: int, name: str) -> bool:
    """Whether a process receives on a socket. True also for anything that is not a socket, which must stay."""
    try:
        if not stat.S_ISSOCK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.connect(address(folder, directory, name))
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except OSError:
        return True
    return True


def _usual_folder(home: str) -> str:
    return os.path.join(home, "notifiers")


def _check_private(path: str) -> None:
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise NotPrivateError(f"{path} is not a private folder of this user")
