"""Settings of the link, and sizes of messages."""

from __future__ import annotations

import pytest

from edged.errors import ConfigError
from edged.transport.link import (
    TlsSettings,
    UplinkSettings,
    check_settings,
    is_loopback,
)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_loopback(host) -> None:
    """Plain TCP is good on the loopback address."""
    assert is_loopback(host)
    check_settings(UplinkSettings(site="lab", device="box", host=host))


@pytest.mark.parametrize("host", ["broker", "127.0.0.1.example", "10.0.0.1", "localhost.example"])
def test_not_loopback(host) -> None:
    """Anything else needs TLS, and the message says where to write it."""
    with pytest.raises(ConfigError, match=r"broker\.tls"):
        check_settings(UplinkSettings(site="lab", device="box", host=host))
    check_settings(UplinkSettings(site="lab", device="box", host=host, tls=TlsSettings()))


def test_half_a_certificate(tmp_path) -> None:
    """A certificate without its key is refused."""
    (tmp_path / "cert.pem").touch()
    tls = TlsSettings(cert_file=tmp_path / "cert.pem")
    with pytest.raises(ConfigError, match="key_file"):
        check_settings(UplinkSettings(site="lab", device="box", tls=tls))
