"""What keeps a verified program from the network.

Wall 1 is a network namespace of its own, in which only the loopback interface exists. Wall 2 is a proxy on loopback that answers
403 and records what was asked; all programs are told to use it. The proxy runs in both cases, so that attempts are seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

NAMESPACE, PROXY = "namespace", "proxy"
_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # linux/sched.h
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1  # linux/sockios.h, linux/if.h
_OUTSIDE = ("192.0.2.1", 9)  # RFC 5737: an address for documentation
_HEAD_LIMIT = 16 * 1024


class NotAsserted(Exception):
    """The namespace was entered, but it is not what it must be."""


def enter_namespace() -> str:
    """Move this process into a network namespace with nothing but loopback. Returns which wall is active.

    Call it before the process has a second thread. `proxy`: this machine permits no namespaces. Raises NotAsserted if the new
    namespace reaches anything.
    """
    if not _unshare():
        return PROXY
    _raise_loopback()
    _assert_empty()
    return NAMESPACE


def _unshare() -> bool:
    """Leave the network namespace. Root needs no user namespace, in which files of other users would have no owner."""
    if not hasattr(socket, "AF_NETLINK"):  # not Linux
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if user == 0 and libc.unshare(_NEW_NET) == 0:
        return True
    if libc.unshare(_NEW_USER | _NEW_NET) != 0:
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _assert_empty() -> None:
    """Raise NotAsserted unless loopback is the only interface, works, and nothing else can be reached."""
    interfaces = [name for _, name in socket.if_nameindex()]
    if interfaces != ["lo"]:
        raise NotAsserted(f"the namespace has the interfaces {', '.join(interfaces)}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
    try:
        socket.create_connection(_OUTSIDE, timeout=5).close()
    except OSError as error:
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return
        raise NotAsserted(f"a connection to {_OUTSIDE[0]} failed with {error}, not as unreachable") from error
    raise NotAsserted(f"{_OUTSIDE[0]} was reached")


class RecordingProxy:
    """Answers 403 to everything and records what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []  #: such as `CONNECT example.org:443`

    async def start(self) -> asyncio.Server:
        """Listen on a free port of loopback."""
        return await asyncio.start_server(self._refuse, "127.0.0.1", 0)

    async def _refuse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
            self.asked.append(" ".join(head[:_HEAD_LIMIT].decode("latin-1").split()[:2]))
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
        writer.close()
