"""Network access of a walled run: a CONNECT proxy outside of the wall, and forwarding to services on this machine's loopback.

The listening sockets belong to the run's network namespace, which is otherwise empty. This process accepts their connections in
the machine's network and connects only to the hosts of the plan. TLS is forwarded unchanged.
"""

from __future__ import annotations

import base64
import re
import select
import socket
import threading
from fnmatch import fnmatchcase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HEAD = 64 * 1024
_CONNECT_S = 30.0
_HEAD_S = 30.0
_PIECE = 64 * 1024
_MOST = 256  #: concurrent connections; a run needs a few
_ADDRESS = re.compile(
    r"(https?)://(?:[^/@\s\"']*@)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.IGNORECASE
)
_LOOPBACK = ("localhost", "::1", "0.0.0.0")  # noqa: S104  compared, not listened on


class Target:
    """A host and port; the host may be a pattern."""

    __slots__ = ("host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host.lower().rstrip("."), port

    def fits(self, host: str, port: int) -> bool:
        """Return whether an address matches. `*` in the host matches any characters."""
        return port == self.port and fnmatchcase(host.lower().rstrip("."), self.host)

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine."""
        return self.host in _LOOPBACK or self.host.startswith("127.")


def targets(hosts: Iterable[str], texts: Iterable[str]) -> list[Target]:
    """Return the allowed targets: hosts as `name` or `name:port`, and every URL in these texts."""
    found = []
    for host in hosts:
        name, _, port = host.partition(":")
        found.append(Target(name, int(port or 443)))
    for text in texts:
        for scheme, host, port in _ADDRESS.findall(text):
            found.append(Target(host.strip("[]"), int(port or (443 if scheme.lower() == "https" else 80))))
    return found


class Proxy:
    """Serves the connections of a run in daemon threads."""

    def __init__(self, allowed: Iterable[Target], env: Mapping[str, str]) -> None:
        self._allowed = tuple(allowed)
        self._upstream = _proxy_of(env)
        self._direct = _direct_hosts(env)
        self._slots = threading.BoundedSemaphore(_MOST)
        self.refused: dict[str, int] = {}  #: `host:port` -> number of refused connections

    def serve(self, listener: socket.socket) -> None:
        """Serve proxy requests on a listening socket."""
        threading.Thread(target=self._accept, args=(listener, None), daemon=True).start()

    def forward(self, listener: socket.socket, target: Target) -> None:
        """Forward all connections of a listening socket to one service."""
        threading.Thread(target=self._accept, args=(listener, target), daemon=True).start()

    def _accept(self, listener: socket.socket, target: Target | None) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # the run has ended
                return
            self._slots.acquire()
            threading.Thread(target=self._answer, args=(client, target), daemon=True).start()

    def _answer(self, client: socket.socket, target: Target | None) -> None:
        try:
            with client:
                if target is not None:
                    with self._reach(target.host, target.port) as service:
                        _relay(client, service)
                else:
                    self._mediate(client)
        except (OSError, ValueError):  # a peer has disconnected or did not send HTTP
            pass
        finally:
            self._slots.release()

    def _mediate(self, client: socket.socket) -> None:
        client.settimeout(_HEAD_S)
        head = _read_head(client)
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3:
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return
        method, where, _ = words
        connect = method.upper() == "CONNECT"
        host, port = _host_and_port(where, 443) if connect else _of_address(where)
        if not any(target.fits(host, port) for target in self._allowed):
            name = f"{host}:{port}"[:200]
            if len(self.refused) < 100 or name in self.refused:
                self.refused[name] = self.refused.get(name, 0) + 1
            client.sendall(
                b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
                b"[wall] this host is not open to the run; see [wall] hosts\n"
            )
            return
        try:
            service = self._reach(host, port)
        except OSError as error:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n" + str(error).encode() + b"\n")
            return
        with service:
            if connect:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                service.sendall(head)
            client.settimeout(None)
            _relay(client, service)

    def _reach(self, host: str, port: int) -> socket.socket:
        """Connect to a service, through the machine's proxy if one is configured for it."""
        direct = Target(host, port).loopback or any(_ends_with(host, domain) for domain in self._direct)
        if direct or self._upstream is None:
            service = socket.create_connection((host, port), timeout=_CONNECT_S)
        else:
            address, login = self._upstream
            service = socket.create_connection(address, timeout=_CONNECT_S)
            request = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n"
            service.sendall(request.encode())
            answer = _read_head(service).split(b" ", 2)
            if len(answer) < 2 or answer[1] != b"200":
                service.close()
                raise OSError(f"the machine's proxy did not connect to {host}:{port}")
        service.settimeout(None)
        return service


def _read_head(line: socket.socket) -> bytes:
    """Read exactly the head of a message; the bytes after it belong to the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        seen = line.recv(_HEAD, socket.MSG_PEEK)
        if not seen or len(head) + len(seen) > _HEAD:
            raise ValueError("no head")
        end = (head + seen).find(b"\r\n\r\n")
        take = len(seen) if end < 0 else end + 4 - len(head)
        head += line.recv(take)
    return head


def _host_and_port(where: str, default: int) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[^:\[\]\s]+)(?::([0-9]{1,5}))?", where)
    if found is None:
        raise ValueError(f"no address: {where!r}")
    return found[1].strip("[]").lower().rstrip("."), int(found[2] or default)


def _of_address(where: str) -> tuple[str, int]:
    found = _ADDRESS.match(where)
    if found is None:
        raise ValueError(f"no address: {where!r}")
    return found[2].strip("[]").lower().rstrip("."), int(found[3] or (443 if found[1].lower() == "https" else 80))


def _proxy_of(env: Mapping[str, str]) -> tuple[tuple[str, int], str] | None:
    """Return the machine's proxy from the run's environment: its address, and the header with its login."""
    value = next((env[name] for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY") if env.get(name)), "")
    found = re.match(r"http://(?:([^@/]*)@)?(\[[0-9A-Fa-f:]+\]|[^:/@]+)(?::(\d+))?", value)
    if found is None:
        return None
    login = f"Proxy-Authorization: Basic {base64.b64encode(found[1].encode()).decode()}\r\n" if found[1] else ""
    return (found[2].strip("[]"), int(found[3] or 80)), login


def _direct_hosts(env: Mapping[str, str]) -> list[str]:
    named = env.get("no_proxy") or env.get("NO_PROXY") or ""
    return [domain.strip().lstrip("*.").lower() for domain in named.split(",") if domain.strip()]


def _ends_with(host: str, domain: str) -> bool:
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _relay(client: socket.socket, service: socket.socket) -> None:
    """Copy bytes in both directions until both ends have closed."""
    partner = {client: service, service: client}
    open_ends = {client, service}
    while open_ends:
        for source in select.select(list(open_ends), [], [])[0]:
            data = source.recv(_PIECE)
            if data:
                partner[source].sendall(data)
                continue
            open_ends.discard(source)
            partner[source].shutdown(socket.SHUT_WR)


def loopback_doors(allowed: Iterable[Target]) -> list[tuple[str, int, Target]]:
    """Return the addresses inside of the wall for services on this machine's loopback: the same as outside."""
    found = []
    for target in allowed:
        if target.loopback and target.port:
            hosts = ["127.0.0.1", "::1"] if target.host in ("localhost", "0.0.0.0") else [target.host]  # noqa: S104
            found += [(host, target.port, target) for host in hosts]
    return found


def known_texts(env: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return the non-empty values of these variables."""
    values = [env.get(name) for name in names]
    return [value for value in values if value]
