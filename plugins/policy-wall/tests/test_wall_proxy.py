"""The proxy of a wall connects to the hosts of the plan only."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from llm_gateway_policy_wall.outside.proxy import Proxy, Target, known_texts, loopback_doors, targets


class Service:
    """Answers each connection with its name and the first received bytes."""

    def __init__(self, name: bytes) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.heard: list[bytes] = []
        self._name = name
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self.server.accept()
            except OSError:
                return
            with line:
                line.settimeout(10)
                self.heard.append(line.recv(4096))
                line.sendall(self._name)

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self._thread.join(10)


@contextmanager
def proxied(*allowed: Target, **env: str) -> Iterator[tuple[Proxy, int]]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        proxy = Proxy(allowed, env)
        proxy.serve(door)
        yield proxy, door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)


def said(port: int, *words: bytes) -> bytes:
    """Send these messages one after the other and return the answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        for word in words:
            line.sendall(word)
            answer += line.recv(4096)
        line.shutdown(socket.SHUT_WR)
        while piece := line.recv(4096):
            answer += piece
    return answer


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service(b"the service")
    yield one
    one.close()


def test_an_allowed_host_is_reached_by_connect_and_by_a_plain_request(service: Service) -> None:
    with proxied(Target("127.0.0.1", service.port)) as (proxy, port):
        tunnel = said(port, b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % service.port, b"secret TLS")
        plain = said(port, b"GET http://127.0.0.1:%d/path HTTP/1.1\r\n\r\n" % service.port)
    assert tunnel.startswith(b"HTTP/1.1 200")
    assert tunnel.endswith(b"the service")
    assert plain == b"the service"
    assert service.heard[0] == b"secret TLS"
    assert proxy.refused == {}


@pytest.mark.parametrize(
    "asked",
    [
        b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n",
        b"CONNECT localhost:%d HTTP/1.1\r\n\r\n",
        b"CONNECT [::1]:%d HTTP/1.1\r\n\r\n",
        b"CONNECT api.example.com:%d HTTP/1.1\r\n\r\n",
        b"GET http://127.0.0.1:%d/ HTTP/1.1\r\n\r\n",
        b"GET http://api.example.com@127.0.0.1:%d/ HTTP/1.1\r\n\r\n",
        b"CONNECT api.example.com.evil:%d HTTP/1.1\r\n\r\n",
    ],
)
def test_other_hosts_are_refused_and_counted(service: Service, asked: bytes) -> None:
    with proxied(Target("api.example.com", 443)) as (proxy, port):
        answer = said(port, asked % service.port)
    assert answer.startswith(b"HTTP/1.1 403")
    assert list(proxy.refused.values()) == [1]
    assert service.heard == []


@pytest.mark.parametrize(
    "asked", [b"hello\r\n\r\n", b"CONNECT a:b:c HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 70_000]
)
def test_an_invalid_proxy_request_reaches_nothing(asked: bytes) -> None:
    with proxied(Target("*", 443)) as (_, port):
        try:
            answer = said(port, asked)
        except ConnectionError:
            answer = b""
    assert b" 200 " not in answer


def test_the_machines_proxy_is_used_with_its_login() -> None:
    upstream = Service(b"HTTP/1.1 200 fine\r\n\r\nthrough two")
    with proxied(Target("api.example.com", 443), https_proxy=f"http://me:word@127.0.0.1:{upstream.port}") as (_, port):
        answer = said(port, b"CONNECT api.example.com:443 HTTP/1.1\r\n\r\n")
    upstream.close()
    assert answer.startswith(b"HTTP/1.1 200 Connection established")
    assert answer.endswith(b"through two")
    assert upstream.heard[0].startswith(b"CONNECT api.example.com:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6d29yZA==" in upstream.heard[0]


def test_a_forwarded_listener_reaches_one_service_only(service: Service) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        Proxy((), {}).forward(door, Target("127.0.0.1", service.port))
        assert said(door.getsockname()[1], b"CONNECT elsewhere:1 HTTP/1.1\r\n\r\n") == b"the service"
        door.shutdown(socket.SHUT_RDWR)


def test_addresses_are_read_from_hosts_urls_and_json() -> None:
    texts = known_texts(
        {"A": "https://a.example/v1", "B": '[{"api_base": "http://127.0.0.1:8080/v1"}]', "C": ""}, "ABCD"
    )
    found = {
        (one.host, one.port, one.loopback) for one in targets(["api.x", "*.y:8443"], [*texts, "http://u:p@[::1]/"])
    }
    assert found == {
        ("api.x", 443, False),
        ("*.y", 8443, False),
        ("a.example", 443, False),
        ("127.0.0.1", 8080, True),
        ("::1", 80, True),
    }


def test_a_pattern_matches_names_of_its_domain_on_its_port() -> None:
    target = Target("*-aiplatform.example.com", 443)
    assert target.fits("us-AIPLATFORM.example.com.", 443)
    assert not target.fits("us-aiplatform.example.com", 80)
    assert not target.fits("us-aiplatform.example.com.evil", 443)


def test_a_local_service_keeps_its_address() -> None:
    doors = loopback_doors(targets(["api.x"], ["http://localhost:11434", "http://127.0.0.2:80", "https://far.example"]))
    assert [(host, port) for host, port, _ in doors] == [("127.0.0.1", 11434), ("::1", 11434), ("127.0.0.2", 80)]
