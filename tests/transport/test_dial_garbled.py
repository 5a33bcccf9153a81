"""Bytes that change on the way are told from a broker that hangs up."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest
from certificates import Authority

from edged.transport.dial import tls_context
from edged.transport.link import TlsSettings


def ends(folder, last):
    """Whether a TLS connection counts as garbled whose other side ends with `last(tls, raw)`."""
    made = Authority().folder(folder, "127.0.0.1")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made / "cert.pem", made / "key.pem")
    ours, theirs = socket.socketpair()

    def serve():
        raw = theirs.dup()  # under TLS
        with contextlib.suppress(OSError), server.wrap_socket(theirs, server_side=True) as tls:
            tls.send(b"hello")
            tls.recv(1)
            last(tls, raw)
        raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    context = tls_context(TlsSettings(ca_file=made / "ca.pem"))
    with context.wrap_socket(ours, server_hostname="127.0.0.1") as tls:
        assert tls.recv(5) == b"hello"
        tls.send(b"x")
        with contextlib.suppress(OSError):
            assert tls.recv(5) == b""
        found = context.garbled
    thread.join()
    return found


@pytest.mark.parametrize(
    ("last", "garbled"),
    [(lambda _tls, raw: raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32)), True),
     (lambda _tls, raw: raw.shutdown(socket.SHUT_RDWR), False),
     (lambda tls, _raw: tls.unwrap(), False)],
    ids=["a record that nobody wrote", "cut", "closed"],
)  # fmt: skip
def test_changed_bytes_are_told_from_an_end(tmp_path, last, garbled):
    """TLS that does not fit together is no hang-up, for which a row would have to answer."""
    assert ends(tmp_path / "tls", last) is garbled
