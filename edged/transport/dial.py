"""Opens the TCP and TLS connection of a paho client without blocking its owner.

Name look-up, TCP and the TLS handshake block for seconds when the network is bad, so
they happen on a helper thread that is told nothing and asked nothing afterwards.  Knows
no MQTT beyond the call that sends CONNECT.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.properties import Properties

from edged.errors import ConfigError
from edged.transport.link import Refused, TlsSettings, UplinkSettings

_UNSET = paho.MQTT_CLEAN_START_FIRST_ONLY
"""What paho wants to be given on 3.1.1, where this flag does not exist."""


_UNKNOWN_AUTHORITY = "broker.tls.ca_file must hold the authority that signed it"
_OTHER_NAME = "put the name that it bears into broker.tls.server_name, or issue it for this host"
_CURES = {
    9: "it is not valid yet: look at this device's clock",
    10: "renew the broker's certificate, or look at this device's clock",
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}
"""What to do, by the codes of OpenSSL's x509_vfy.h."""


class Dial:
    """One attempt to connect.

    Args:
        client: gets a socket and sends CONNECT on it; belongs to the helper thread
            until :meth:`done` is true.
        settings: host, port and keep-alive.
        properties: of CONNECT, on MQTT 5.
    """

    def __init__(
        self, client: paho.Client, settings: UplinkSettings, properties: Properties | None
    ) -> None:
        self._client = client
        self._settings = settings
        self._properties = properties
        self._lock = threading.Lock()
        self._done = False
        self._abandoned = False
        self.refused: Refused | None = None
        """Why there is no connection; read it when :meth:`done`."""
        self._read_fd, self._write_fd = os.pipe()
        threading.Thread(target=self._run, name="broker-dial", daemon=True).start()

    def fileno(self) -> int:
        """Becomes readable when the attempt has ended."""
        return self._read_fd

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        with self._lock:
            return self._done

    def forget(self) -> None:
        """End our interest; a connection that comes about later is closed at once."""
        with self._lock:
            self._abandoned = True
            done = self._done
            os.close(self._read_fd)
            if done:
                os.close(self._write_fd)

    def _run(self) -> None:
        settings = self._settings
        try:
            self._client.connect(
                settings.host,
                settings.port,
                keepalive=settings.keepalive_s,
                clean_start=False if self._properties is not None else _UNSET,
                properties=self._properties,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is must reach the owner
            self.refused = explain(error, settings)
        with self._lock:
            self._done = True
            if self._abandoned:
                os.close(self._write_fd)
                _close(self._client)
            else:
                os.write(self._write_fd, b".")


def _close(client: paho.Client) -> None:
    sock = client.socket()
    if sock is not None:
        sock.close()


def explain(error: Exception, settings: UplinkSettings) -> Refused:
    """Why no connection came about, in words for the log.

    Args:
        error: that look-up, TCP or TLS raised.
        settings: host and port, for the words.
    """
    where = f"{settings.host}:{settings.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        cure = _CURES.get(error.verify_code, "check broker.tls.ca_file and broker.tls.server_name")
        return Refused(
            "tls", f"the certificate of {where} is not trusted ({error.verify_message}): {cure}"
        )
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "handshake failed").lower().replace("_", " ")
        return Refused(
            "tls",
            f"TLS with {where} failed ({reason}): check that broker.port is the one with TLS, and "
            "the certificates; nothing is sent without TLS",
        )
    if isinstance(error, socket.gaierror):
        return Refused("unreachable", f"the name {settings.host} cannot be looked up")
    if isinstance(error, OSError):
        words = error.strerror or type(error).__name__
        return Refused("unreachable", f"no connection to {where} ({words})")
    return Refused("other", f"no connection to {where} ({type(error).__name__})")


_PASSING = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""Not yet, or over: no word on the bytes."""


class _NotingSocket(ssl.SSLSocket):
    """Notes in its context when TLS, here or at the other side, has found changed bytes."""

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        """As the base class does."""
        with self._noted():
            return super().recv(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        """As the base class does."""
        with self._noted():
            return super().send(*args, **kwargs)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except _PASSING:
            raise
        except ssl.SSLError:
            if isinstance(self.context, TlsContext):
                self.context.garbled = True
            raise


class TlsContext(ssl.SSLContext):
    """A context that checks a configured name instead of the host.

    Attributes:
        garbled: a connection of it has ended with an error of TLS after the handshake.
    """

    server_name = ""
    garbled = False
    sslsocket_class = _NotingSocket

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """As the base class does, with our name."""
        if self.server_name:
            kwargs["server_hostname"] = self.server_name
        return super().wrap_socket(*args, **kwargs)


def tls_context(tls: TlsSettings) -> TlsContext:
    """A client's context of TLS 1.2 or newer that checks certificate and name.

    Raises:
        ConfigError: a file is not what it should be.
    """
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.server_name = tls.server_name
    try:
        if tls.ca_file is not None:
            context.load_verify_locations(cafile=tls.ca_file)
        else:
            context.load_default_certs()
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            "broker.tls: ca_file, cert_file and key_file must be readable PEM files, the key "
            "without a password and belonging to the certificate"
        ) from error
    return context


def _no_password() -> str:
    """Keeps OpenSSL from asking on a terminal that nobody watches."""
    raise ConfigError("broker.tls.key_file: has a password; give one without")
