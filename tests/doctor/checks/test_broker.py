"""Reaching the broker, with TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest
from certificates import Authority
from doctor_kit import FakeHost, only, setup

from edged.doctor.checks import broker


@pytest.fixture
def listening():
    """`listening(certificates)`: a port that takes connections, with TLS if it is given."""
    with contextlib.ExitStack() as stack:

        def start(certificates=None):
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=_serve, args=(server, certificates))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown, socket.SHUT_RDWR)
            return server.getsockname()[1]

        yield start


def _serve(server, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if certificates:
        context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    with contextlib.suppress(OSError):  # the end of the test
        while True:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):  # a client that does not trust us
                client.settimeout(5)
                if certificates:
                    with context.wrap_socket(client, server_side=True) as secured:
                        secured.recv(1)
                else:
                    client.recv(1)


def found(root, port, tls="", **host):
    lines = f'host = "127.0.0.1"\nport = {port}\n{tls}'
    return only(broker.look(FakeHost(root, **host), setup(replace={'host = "127.0.0.1"': lines})))


def test_a_broker_that_answers_is_well(root, listening):
    """Nothing is sent to it."""
    one = found(root, listening())
    assert (one.id, one.level) == ("broker.reached", "ok")
    assert "without TLS" in one.what


def test_a_broker_that_is_away_only_delays(root, free_port):
    """A warning, with the package to install where it should be on this very machine."""
    one = found(root, free_port())
    assert (one.id, one.level) == ("broker.unreachable", "warn")
    assert one.cure == ("sudo apt install mosquitto",)
    assert found(root, free_port(), programs={"mosquitto": ""}).cure == ()


def test_a_broker_that_is_trusted_is_well(root, listening, tmp_path, monkeypatch):
    """By the configured authority, and for some days yet."""
    monkeypatch.setattr(broker, "SOON_DAYS", 0)
    certificates = Authority().folder(tmp_path / "tls", "127.0.0.1")
    one = found(root, listening(certificates), f'[broker.tls]\nca_file = "{certificates}/ca.pem"')
    assert (one.id, one.level) == ("broker.reached", "ok")
    assert "trusted certificate" in one.what


def test_a_certificate_that_ends_soon_warns(root, listening, tmp_path):
    """This one is good for a day."""
    certificates = Authority().folder(tmp_path / "tls", "127.0.0.1")
    one = found(root, listening(certificates), f'[broker.tls]\nca_file = "{certificates}/ca.pem"')
    assert (one.id, one.level) == ("broker.expires", "warn")
    assert one.data["expires_in_days"] in (0, 1)


def test_a_broker_that_is_not_trusted_fails(root, listening, tmp_path):
    """Another authority signed it, so nothing is ever sent there."""
    theirs = Authority().folder(tmp_path / "theirs", "127.0.0.1")
    ours = Authority().folder(tmp_path / "ours", "127.0.0.1")
    one = found(root, listening(theirs), f'[broker.tls]\nca_file = "{ours}/ca.pem"')
    assert (one.id, one.level) == ("broker.tls", "fail")


def test_an_authority_that_is_no_pem_file_fails(root, free_port, tmp_path):
    """The uplink would not start."""
    (tmp_path / "ca.pem").write_text("no certificate")
    one = found(root, free_port(), f'[broker.tls]\nca_file = "{tmp_path}/ca.pem"')
    assert (one.id, one.level) == ("broker.files", "fail")
