"""Broker and device know each other, or nothing is sent: a real mosquitto with TLS.

What fails says what, where and what to do, and is never tried without TLS.
"""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority
from consumer import Consumer
from fakes.engine import FakeEngine
from mosquitto import Mosquitto, wait_for

from edged.config import loads
from edged.daemon.uplink import Uplink
from edged.transport.certificate import trouble
from edged.transport.link import TlsSettings, UplinkSettings

QUICK = {
    "reconnect_min_s": 0.05, "reconnect_max_s": 0.2, "will_delay_s": 0, "clock": "trust",
    "connect_timeout_s": 2.0,
}  # fmt: skip
PAST = dt.timedelta(minutes=-5)


class Running:
    """An uplink on a thread, and the line that it tells its service manager."""

    def __init__(self, folder: Path, settings: UplinkSettings) -> None:
        endpoint = f"ipc://{folder}/egress.sock"
        self.engine = FakeEngine(endpoint)
        self.engine.say_status("online", "ok")
        self.uplink = Uplink(settings, endpoint)
        self._thread = threading.Thread(target=self.uplink.run, daemon=True)
        self._thread.start()

    @property
    def line(self) -> str:
        """As `systemctl status` shows it."""
        return self.uplink._state.summary()

    @property
    def up(self) -> bool:
        """Whether it is connected."""
        return self.line.startswith("connected")

    def close(self) -> None:
        """Stop it."""
        self.uplink.stop()
        self._thread.join(10)
        self.engine.close()
        assert not self._thread.is_alive()


@pytest.fixture
def start(tmp_path) -> Iterator:
    """Starts uplinks and stops them at the end."""
    started: list[Running] = []

    def begin(port: int, **settings) -> Running:
        options = {"site": "lab", "device": "box-1", "port": port} | QUICK | settings
        folder = tmp_path / f"run-{len(started)}"
        folder.mkdir()
        started.append(Running(folder, UplinkSettings(**options)))
        return started[-1]

    yield begin
    for running in started:
        running.close()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def made(authority, tmp_path):
    """What certificates of a case are made with and where."""
    return authority, tmp_path


@pytest.fixture(scope="module")
def server(authority, tmp_path_factory) -> Iterator[Mosquitto]:
    """A broker that shows a certificate for its address and asks for one."""
    folder = tmp_path_factory.mktemp("broker")
    tls = authority.folder(folder / "tls", "127.0.0.1")
    with Mosquitto(folder / "b", tls=tls, require_client_cert=True) as broker:
        yield broker


def tls_of(folder: Path, **more) -> TlsSettings:
    files = {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem"}
    return TlsSettings(**({name: folder / file for name, file in files.items()} | more))


def test_both_sides_show_who_they_are(authority, server, start, tmp_path) -> None:
    """With certificates of one authority the link comes up."""
    running = start(server.port, tls=tls_of(authority.folder(tmp_path / "own", "box-1")))
    wait_for(lambda: running.up)


def wrong_authority(authority, tmp_path):
    other = Authority().folder(tmp_path / "other", "x")
    return tls_of(authority.folder(tmp_path / "own", "box-1"), ca_file=other / "ca.pem")


def wrong_name(authority, tmp_path):
    return tls_of(authority.folder(tmp_path / "own", "box-1"), server_name="broker.example")


def no_certificate(authority, tmp_path):
    own = authority.folder(tmp_path / "own", "box-1")
    return TlsSettings(ca_file=own / "ca.pem")


def expired_own(authority, tmp_path):
    return tls_of(authority.folder(tmp_path / "own", "box-1", lasts=PAST))


def strange_own(authority, tmp_path):
    ours = authority.folder(tmp_path / "ca", "x")
    return tls_of(Authority().folder(tmp_path / "own", "box-1"), ca_file=ours / "ca.pem")


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (wrong_authority, ("is not trusted", "broker.tls.ca_file must hold the authority")),
        (wrong_name, ("is not trusted", "broker.tls.server_name")),
        (no_certificate, ("closed the connection", "broker.tls.cert_file and key_file")),
        (expired_own, ("closed the connection", "expired on", "renew it")),
        (strange_own, ("closed the connection", "its log says", "broker.tls.cert_file")),
    ],
)
def test_who_is_not_trusted_is_told_what_to_do(made, server, start, case, said):
    """What is wrong, where, and the key of the configuration or the file that mends it."""
    running = start(server.port, tls=case(*made))
    wait_for(lambda: all(words in running.line for words in said), what=f"{said}")
    assert f"127.0.0.1:{server.port}" in running.line
    assert not running.up
    assert not running.engine.hellos or running.engine.hellos[-1].broker == "down"


def test_an_expired_broker_is_not_trusted(authority, start, tmp_path) -> None:
    """It, or this device's clock, is to be looked at."""
    tls = authority.folder(tmp_path / "tls", "127.0.0.1", lasts=PAST)
    own = tls_of(authority.folder(tmp_path / "own", "box-1"))
    with Mosquitto(tmp_path / "b", tls=tls, require_client_cert=True) as broker:
        running = start(broker.port, tls=own)
        wait_for(lambda: "renew the broker's certificate" in running.line)
        assert "expired" in running.line
        assert "clock" in running.line


def test_a_renewed_certificate_is_taken_without_a_restart(authority, server, start, tmp_path):
    """Files are read at every connection."""
    old = authority.folder(tmp_path / "own", "box-1", lasts=PAST)
    new = authority.folder(tmp_path / "new", "box-1")
    running = start(server.port, tls=tls_of(old))
    wait_for(lambda: "expired on" in running.line)
    for name in ("cert.pem", "key.pem"):
        (new / name).rename(old / name)
    wait_for(lambda: running.up)


class Recorder:
    """A server that takes connections, keeps their first byte and answers with something."""

    def __init__(self, answer: bytes) -> None:
        self.first: list[bytes] = []
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(2)
                self.first.append(peer.recv(1))
                peer.sendall(self._answer)

    def close(self) -> None:
        self._server.close()


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x00", b"HTTP/1.1 400\r\n\r\n", b""])
def test_nothing_is_ever_sent_without_tls(start, answer) -> None:
    """Whatever answers there, each attempt begins with a TLS handshake and none with CONNECT."""
    recorder = Recorder(answer)
    try:
        running = start(recorder.port, tls=TlsSettings())
        wait_for(lambda: len(recorder.first) >= 5, 20)
        assert set(recorder.first) == {b"\x16"}
        assert not running.up
        assert f"127.0.0.1:{recorder.port}" in running.line
    finally:
        recorder.close()


CONFIG = """
[device]
name = "box-1"
site = "lab"
[cameras.a]
scene = "s"
[scenes.s]
mode = "disguise"
identities = ["a"]
[identities.a]
photos = ["builtin:character"]
[broker]
port = {port}
username = "box-1"
password_file = "$CREDENTIALS_DIRECTORY/broker-password"
"""


def set_password(broker: Mosquitto, word: str) -> None:
    """The broker's operator changes a password, and everybody has to log in again."""
    broker.stop()
    file = broker._folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", str(file), "box-1", word], check=True)
    broker.start()


def test_a_password_of_a_credential_changes_while_running(start, tmp_path, monkeypatch) -> None:
    """It is in a file of systemd's folder; a new one there is used without a restart."""
    word = tmp_path / "broker-password"
    word.write_text("first\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with Mosquitto(tmp_path / "b", users={"box-1": "first"}) as broker:
        found = loads(CONFIG.format(port=broker.port), tmp_path / "edged.toml").uplink
        assert found.password_file == word
        options = {"username": found.username, "password_file": found.password_file}
        running = start(broker.port, **options)
        wait_for(lambda: running.up)
        set_password(broker, "second")
        wait_for(lambda: "broker.password_file" in running.line, what="it says which file")
        assert "first" not in running.line
        word.write_text("second")
        wait_for(lambda: running.up)
        word.unlink()
        set_password(broker, "third")
        wait_for(lambda: "cannot be read" in running.line)
        word.write_text("third\n")
        wait_for(lambda: running.up)


def test_a_consumer_sees_the_device_through_it_all(authority, tmp_path, start) -> None:
    """The same broker has a plain listener for this test's eyes; the device comes over TLS."""
    tls = authority.folder(tmp_path / "tls", "127.0.0.1")
    own = authority.folder(tmp_path / "own", "box-1")
    with Mosquitto(tmp_path / "plain") as plain:
        port = plain.port
    extra = f"listener {port} 127.0.0.1\nallow_anonymous true"
    with Mosquitto(tmp_path / "b", tls=tls, require_client_cert=True, extra=extra) as broker:
        running = start(broker.port, tls=tls_of(own))
        with Consumer(port, "lab", "box-1") as consumer:
            ids = {running.engine.add(number) for number in range(1, 6)}
            consumer.wait(lambda: consumer.ids() == ids)
            assert consumer.status["state"] == "online"
            assert consumer.problems == []


@pytest.mark.parametrize(
    ("day", "said"), [(0, ""), (-2, "begins on"), (360, "renew it before"), (366, "expired on")]
)
def test_a_certificate_tells_its_trouble(authority, tmp_path, day, said) -> None:
    """By its dates alone."""
    own = authority.folder(tmp_path / "own", "box-1", lasts=dt.timedelta(days=365))
    now = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=day)
    found = trouble(own / "cert.pem", now)
    assert (said in found) if said else not found


def test_a_certificate_that_is_none_is_said() -> None:
    """With its key of the configuration."""
    assert "broker.tls.cert_file" in trouble(Path("/no/such/file"))
