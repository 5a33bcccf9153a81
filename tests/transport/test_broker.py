"""One connection to a broker: a real mosquitto, and servers that only pretend."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from certificates import Authority
from consumer import Consumer
from mosquitto import Mosquitto, free_port

from edged.errors import ConfigError
from edged.transport.broker import BrokerLink
from edged.transport.link import (
    Acked,
    Arrived,
    BrokerEvent,
    Connected,
    Lost,
    Publish,
    Refused,
    Subscribed,
    TlsSettings,
    UplinkSettings,
)

STATUS = "edged/lab/box-1/status"
WILL = json.dumps({"state": "offline"}).encode()


class Driver:
    """Serves a link until something has happened."""

    def __init__(self, port: int, **settings: object) -> None:
        options = {"site": "lab", "device": "box-1", "port": port, "will_delay_s": 0} | settings
        self.link = BrokerLink(UplinkSettings(**options))
        self.events: list[BrokerEvent] = []

    def open(self, protocol: str = "5") -> Driver:
        """Begin to connect."""
        self.link.open(protocol, STATUS, WILL)
        return self

    def until(self, kind: type, count: int = 1, timeout_s: float = 10.0) -> BrokerEvent:
        """Serve until `count` events of a kind are there; the last of them."""
        self.serve(lambda: sum(isinstance(e, kind) for e in self.events) >= count, timeout_s)
        return [event for event in self.events if isinstance(event, kind)][-1]

    def serve(self, done: Callable[[], object], timeout_s: float = 10.0) -> None:
        """Poll and serve until `done()`."""
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, self.events
            fd = self.link.fileno()
            reading = [fd] if fd >= 0 else []
            writing = reading if self.link.wants_write() else []
            readable, writable, _ = select.select(reading, writing, [], 0.05)
            self.events += self.link.service(readable=bool(readable), writable=bool(writable))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker", max_packet_bytes=500_000) as broker:
        yield broker


def test_session_and_limit(broker) -> None:
    """CONNACK tells whether our session was kept and how large a packet may be."""
    driver = Driver(broker.port).open()
    first = driver.until(Connected)
    assert first == Connected(session_present=False, protocol="5", max_packet_bytes=500_000)
    driver.link.leave()
    assert Driver(broker.port).open().until(Connected).session_present


def test_version_3_1_1(broker) -> None:
    """3.1.1 keeps a session too and tells no limit."""
    driver = Driver(broker.port).open("3.1.1")
    assert driver.until(Connected) == Connected(session_present=False, protocol="3.1.1")
    driver.link.leave()
    assert Driver(broker.port).open("3.1.1").until(Connected).session_present


def test_will(broker) -> None:
    """A connection that is dropped leaves the last will, one that is left does not."""
    with Consumer(broker.port, "lab", "box-1") as consumer:
        driver = Driver(broker.port).open()
        driver.until(Connected)
        driver.link.leave()
        driver.open().until(Connected, 2)
        assert consumer.statuses == []
        driver.link.close()
        consumer.wait(lambda: consumer.status == {"state": "offline"})


def test_receive_maximum(tmp_path) -> None:
    """No more messages are unacknowledged than the broker allows, and all arrive in order."""
    with (
        Mosquitto(tmp_path / "b", extra="max_inflight_messages 2") as broker,
        Consumer(broker.port, "lab", "box-1", keep_raw=True) as consumer,
    ):
        driver = Driver(broker.port).open()
        driver.until(Connected)
        for token in range(1, 41):
            topic = "edged/lab/box-1/event"
            driver.link.publish(Publish(topic=topic, payload=b'{"n":%d}' % token, token=token))
        assert len(driver.link._tokens) == 2
        driver.until(Acked, 40)
        assert [e.token for e in driver.events if isinstance(e, Acked)] == list(range(1, 41))
        consumer.wait(lambda: len(consumer.events) == 40)
        assert [event["n"] for event in consumer.events] == list(range(1, 41))


def test_arrived(broker) -> None:
    """A subscribed message arrives with its payload, and the retained flag when it was kept."""
    with Consumer(broker.port, "lab", "box-1") as sender:
        sender.publish("cmd/ping", b"kept", retain=True)
        driver = Driver(broker.port).open()
        driver.until(Connected)
        driver.link.subscribe("edged/lab/box-1/cmd/+")
        assert driver.until(Subscribed) == Subscribed(True)
        sender.publish("cmd/ping", b"\x00new")
        driver.until(Arrived, 2)
        arrived = [event for event in driver.events if isinstance(event, Arrived)]
        topic = "edged/lab/box-1/cmd/ping"
        assert arrived == [Arrived(topic, b"kept", retained=True), Arrived(topic, b"\x00new")]


def test_killed_broker(broker) -> None:
    """A broker that dies ends the connection at once, and nobody there is `unreachable`."""
    driver = Driver(broker.port).open()
    driver.until(Connected)
    broker.kill()
    assert driver.until(Lost) == Lost("closed")
    assert driver.link.fileno() == -1
    assert driver.open().until(Refused).why == "unreachable"


def test_frozen_broker(broker) -> None:
    """A broker that stops answering is given up after the keep-alive."""
    driver = Driver(broker.port, keepalive_s=1).open()
    driver.until(Connected)
    broker.pause()
    assert driver.until(Lost) == Lost("keepalive")


def test_taken_over(broker) -> None:
    """Another client with our id ends our connection (mosquitto 2.0.11 does not say why)."""
    driver = Driver(broker.port).open()
    driver.until(Connected)
    Driver(broker.port).open().until(Connected)
    assert driver.until(Lost).why in ("closed", "taken-over")


def test_unknown_name() -> None:
    """A name that does not resolve is a refusal with the name in it."""
    driver = Driver(1883, host="no-such-host.invalid", tls=TlsSettings()).open()
    refused = driver.until(Refused, timeout_s=30)
    assert refused.why == "unreachable"
    assert "no-such-host.invalid" in refused.hint


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x7f" + b"\xff" * 127, b"\x20\x03", b""]
)
def test_not_a_broker(answer) -> None:
    """Whatever a server answers that is no broker, the link ends with a refusal."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_once() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)

        thread = threading.Thread(target=answer_once, daemon=True)
        thread.start()
        refused = Driver(server.getsockname()[1]).open().until(Refused)
        assert refused.why in ("closed", "other")
        thread.join(5)


def test_close_while_dialling() -> None:
    """An attempt that is given up leaves nothing open behind it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        driver = Driver(server.getsockname()[1])
        for _ in range(20):
            driver.open()
        driver.link.close()
        assert driver.link.fileno() == -1
        server.settimeout(5)
        for _ in range(20):
            peer, _ = server.accept()
            peer.settimeout(5)
            while peer.recv(4096):  # CONNECT, perhaps, then the end
                pass


class TestTls:
    """TLS to a broker with a certificate of a private authority."""

    @pytest.fixture
    def authority(self) -> Authority:
        """A private authority."""
        return Authority()

    @pytest.fixture
    def server(self, authority, tmp_path) -> Iterator[Mosquitto]:
        """A broker that shows a certificate and asks for one."""
        folder = authority.folder(tmp_path / "server", "broker.example", "127.0.0.1")
        with Mosquitto(tmp_path / "b", tls=folder, require_client_cert=True) as broker:
            yield broker

    def test_mutual(self, authority, server, tmp_path) -> None:
        """With the authority and an own certificate it connects and messages flow."""
        own = authority.folder(tmp_path / "own", "box-1")
        tls = TlsSettings(
            ca_file=own / "ca.pem", cert_file=own / "cert.pem", key_file=own / "key.pem",
            server_name="broker.example",
        )  # fmt: skip
        driver = Driver(server.port, tls=tls).open()
        driver.until(Connected)
        for token in range(1, 9):
            driver.link.publish(Publish(topic=STATUS, payload=bytes(100_000), token=token))
        driver.until(Acked, 8)

    def test_stranger(self, server, tmp_path) -> None:
        """A certificate of another authority is refused with the remedy in the message."""
        other = Authority().folder(tmp_path / "other", "127.0.0.1")
        driver = Driver(server.port, tls=TlsSettings(ca_file=other / "ca.pem")).open()
        refused = driver.until(Refused)
        assert refused.why == "tls"
        assert "broker.tls.ca_file" in refused.hint

    def test_wrong_name(self, authority, server, tmp_path) -> None:
        """A certificate for another name is refused."""
        own = authority.folder(tmp_path / "own", "box-1")
        tls = TlsSettings(ca_file=own / "ca.pem", server_name="other.example")
        assert Driver(server.port, tls=tls).open().until(Refused).why == "tls"


def test_tls_is_required_off_loopback() -> None:
    """A host that is not the loopback address needs TLS, and all problems are told at once."""
    with pytest.raises(ConfigError) as caught:
        Driver(1883, host="broker.example", site="Not A Name", password_file=Path("/no/file"))
    assert len(caught.value.problems) == 3
    assert any("TLS" in p or "broker.tls" in p for p in caught.value.problems)


def test_broken_certificate_file(tmp_path) -> None:
    """A CA file that is none is refused at start."""
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(ConfigError, match=r"broker\.tls"):
        Driver(free_port(), tls=TlsSettings(ca_file=tmp_path / "ca.pem"))
