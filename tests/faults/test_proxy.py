"""The proxy of the fault matrix does to bytes what it says."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from faults.proxy import Proxy
from mosquitto import wait_for

LETTER = bytes(range(256)) * 400


class Echo:
    """A server that sends back what it gets, and keeps it."""

    def __init__(self):
        self.got = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer:
            try:
                while data := peer.recv(65536):
                    self.got += data
                    peer.sendall(data)
            except OSError:
                return

    def close(self):
        self._listener.close()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo):
    with Proxy(echo.port) as found:
        yield found


def dial(proxy, timeout_s=5.0):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout_s)


def exchange(peer, data):
    """What comes back."""
    threading.Thread(target=peer.sendall, args=(data,), daemon=True).start()
    back = bytearray()
    while len(back) < len(data) and (part := peer.recv(65536)):
        back += part
    return bytes(back)


def silent(peer):
    """Whether nothing comes, and the connection stands."""
    peer.settimeout(0.2)
    with pytest.raises(TimeoutError):
        peer.recv(1)
    peer.settimeout(5)
    return True


def test_it_passes_bytes_on(proxy):
    """Untouched, both ways, several connections at a time, and the end of one too."""
    with dial(proxy) as one, dial(proxy) as two:
        assert exchange(one, LETTER) == LETTER
        assert exchange(two, LETTER[::-1]) == LETTER[::-1]
        assert proxy.connections() == 2
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""


def test_cut_resets_and_refuses_until_healed(proxy):
    """A cut is a reset for who is there and a refusal for who comes."""
    with dial(proxy) as peer:
        exchange(peer, b"x")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)
    proxy.heal()
    with dial(proxy) as peer:
        assert exchange(peer, b"again") == b"again"


def test_a_drop_takes_who_is_there_alone(proxy):
    """The connection is reset, the next one is served."""
    with dial(proxy) as peer:
        exchange(peer, b"x")
        proxy.drop()
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    with dial(proxy) as peer:
        assert exchange(peer, b"y") == b"y"


def test_a_cut_within_a_message(proxy, echo):
    """Exactly the bytes up to the cut arrive."""
    with dial(proxy) as peer:
        proxy.cut_after(1000)
        with pytest.raises(ConnectionResetError):
            exchange(peer, LETTER)
    assert bytes(echo.got) in {LETTER[:1000], b""}  # a reset may overtake what was not read yet


def test_a_stall_loses_nothing(proxy):
    """Silence while it lasts, every byte after it."""
    with dial(proxy) as peer:
        proxy.stall()
        peer.sendall(b"waiting")
        assert silent(peer)
        with dial(proxy):
            proxy.heal()
            assert peer.recv(100) == b"waiting"


def test_half_open_is_never_answered(proxy, echo):
    """The device's side stands and is swallowed, also of new connections; healing resets it."""
    with dial(proxy) as peer:
        exchange(peer, b"x")
        proxy.half_open()
        peer.sendall(b"into the dark")
        assert silent(peer)
        with dial(proxy) as late:
            late.sendall(b"as well")
            assert silent(late)
            proxy.heal()
            with pytest.raises(ConnectionResetError):
                peer.recv(1)
    assert bytes(echo.got) == b"x"
    with dial(proxy) as peer:
        assert exchange(peer, b"y") == b"y"


def test_a_slow_link_is_slow(proxy):
    """50 KB take half a second at 100 KB a second: sooner they cannot be there."""
    proxy.slow(100_000)
    with dial(proxy) as peer:
        started = time.monotonic()
        assert exchange(peer, LETTER[:50_000]) == LETTER[:50_000]
        assert time.monotonic() - started > 0.4


def test_it_can_be_slow_one_way_alone(proxy, echo):
    """What goes up arrives at once; what comes down trickles."""
    proxy.slow(1_000, up=False)
    with dial(proxy) as peer:
        peer.sendall(LETTER)
        wait_for(lambda: len(echo.got) == len(LETTER), 5, "all of it is up")
        assert len(peer.recv(65536)) <= 1_000


def test_garbled_bytes(proxy, echo):
    """About one byte in a hundred changes on the way up, none on the way down."""
    proxy.garble(100, down=False)
    with dial(proxy) as peer:
        back = exchange(peer, LETTER)
    assert back == bytes(echo.got)
    wrong = sum(a != b for a, b in zip(back, LETTER, strict=True))
    assert len(LETTER) / 200 < wrong < len(LETTER) / 50
