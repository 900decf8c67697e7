"""Proxies that can be cut, slowed down and led elsewhere."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from workers.chaos.tcp_proxy import Network

PATIENCE_S = 5.0


class _Echo(socketserver.BaseRequestHandler):
    """Sends back what comes, after its server's name."""

    def handle(self) -> None:
        while data := self.request.recv(100):
            self.request.sendall(self.server.name + data)  # type: ignore[attr-defined]


def _server(name: bytes) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        server.name = name  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def target() -> Iterator[int]:
    yield from _server(b"1:")


@pytest.fixture
def other_target() -> Iterator[int]:
    yield from _server(b"2:")


@pytest.fixture
def network() -> Iterator[Network]:
    with Network.running() as running:
        yield running


def connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    client.settimeout(PATIENCE_S)
    return client


def ask(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(100)


def test_it_passes_on_both_ways(network: Network, target: int) -> None:
    with connect(network.proxy(target).port) as client:
        assert ask(client, b"hallo") == b"1:hallo"


def test_a_cut_keeps_connections_and_passes_on_later_what_was_sent(network: Network, target: int) -> None:
    proxy = network.proxy(target)
    with connect(proxy.port) as client:
        assert ask(client, b"a") == b"1:a"
        proxy.cut()
        client.sendall(b"b")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(PATIENCE_S)
        proxy.mend()
        assert client.recv(100) == b"1:b"


def test_who_connects_during_a_cut_waits(network: Network, target: int) -> None:
    proxy = network.proxy(target)
    proxy.cut()
    with connect(proxy.port) as client:
        client.sendall(b"a")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(PATIENCE_S)
        proxy.mend()
        assert client.recv(100) == b"1:a"


def test_a_delay_is_felt(network: Network, target: int) -> None:
    proxy = network.proxy(target)
    proxy.delay_s = 0.2
    with connect(proxy.port) as client:
        began_s = time.monotonic()
        assert ask(client, b"a") == b"1:a"
        assert time.monotonic() - began_s >= 0.4  # there and back


def test_new_connections_go_elsewhere_and_open_ones_stay(
    network: Network, target: int, other_target: int
) -> None:
    proxy = network.proxy(target)
    with connect(proxy.port) as old:
        assert ask(old, b"a") == b"1:a"
        proxy.target_port = other_target
        with connect(proxy.port) as new:
            assert ask(new, b"a") == b"2:a"
        assert ask(old, b"b") == b"1:b"


def test_nobody_behind_it_ends_the_connection(network: Network) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with connect(network.proxy(closed.getsockname()[1]).port) as client:
            assert client.recv(100) == b""
