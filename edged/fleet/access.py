"""How somebody who watches or steers devices gets to the broker: an address and credentials."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from edged.errors import ConfigError
from edged.transport.link import TlsSettings, is_loopback

PORTS = {"mqtt": 1883, "mqtts": 8883}


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is and who we are.

    Attributes:
        host, port: of the broker.
        tls: None speaks plain TCP, to a loopback address alone.
        username: at the broker; empty means none.
        password_file: read at every connection; a trailing newline is not part of it.
    """

    host: str
    port: int
    tls: TlsSettings | None = None
    username: str = ""
    password_file: Path | None = None

    def __str__(self) -> str:
        """As it is typed, without credentials."""
        return f"{'mqtts' if self.tls is not None else 'mqtt'}://{self.host}:{self.port}"

    def password(self) -> str | None:
        """The password of this moment.

        Raises:
            ConfigError: the file cannot be read as text.
        """
        if self.password_file is None:
            return None
        try:
            return self.password_file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"--password-file {self.password_file}: cannot be read as text; name a file "
                "that holds the broker's password and that you may read"
            ) from error


def access(
    url: str,
    *,
    username: str = "",
    password_file: Path | None = None,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> Access:
    """What a person typed, checked.

    Args:
        url: `mqtts://host[:port]`, or `mqtt://` for a broker on this machine.
        username: at the broker.
        password_file: file of its password; a URL must not hold one, since others see it.
        ca_file: PEM of the authorities to trust, instead of the system's.
        cert_file: PEM of our own certificate (mutual TLS).
        key_file: PEM of its key.

    Raises:
        ConfigError: it is none, or it is not safe.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    host = parts.hostname or ""
    if parts.scheme not in PORTS or not host or not port or parts.path not in {"", "/"}:
        raise ConfigError(
            "--broker: is not an address; write mqtts://broker.example.org, with :port where it "
            "is not 8883, or mqtt://127.0.0.1 for a broker on this machine"
        )
    if parts.password is not None:
        raise ConfigError(
            "--broker: a password in an address is seen by everybody on this machine; put it "
            "into a file and name that with --password-file"
        )
    encrypted = parts.scheme == "mqtts"
    if not encrypted and not is_loopback(host):
        raise ConfigError(
            f"--broker: {host} is another machine, and mqtt:// sends passwords and pictures in "
            "the open; use mqtts://"
        )
    if not encrypted and (ca_file or cert_file or key_file):
        raise ConfigError("--broker: certificates are for mqtts://, and this is mqtt://")
    if (cert_file is None) != (key_file is None):
        raise ConfigError("--cert-file and --key-file: one needs the other")
    tls = TlsSettings(ca_file=ca_file, cert_file=cert_file, key_file=key_file)
    return Access(
        host=host,
        port=port,
        tls=tls if encrypted else None,
        username=username or parts.username or "",
        password_file=password_file,
    )
