"""Where the broker is: what a person may type, and what is not safe."""

from __future__ import annotations

import re

import pytest

from edged.errors import ConfigError
from edged.fleet.access import access


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mqtts://broker.example.org", "mqtts://broker.example.org:8883"),
        ("mqtts://broker.example.org:9000/", "mqtts://broker.example.org:9000"),
        ("mqtt://127.0.0.1", "mqtt://127.0.0.1:1883"),
        ("mqtt://localhost:1884", "mqtt://localhost:1884"),
    ],
)
def test_an_address_is_read(url, shown):
    """With the usual ports."""
    assert str(access(url)) == shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("broker.example.org", "not an address"),
        ("http://broker.example.org", "not an address"),
        ("mqtts://", "not an address"),
        ("mqtts://host:99999", "not an address"),
        ("mqtts://host/topic", "not an address"),
        ("mqtt://broker.example.org", "use mqtts"),
        ("mqtts://ann:secret@host", "--password-file"),
    ],
)
def test_what_is_none_or_not_safe_is_refused(url, says):
    """With what to do, and without repeating a password."""
    with pytest.raises(ConfigError, match=says) as raised:
        access(url)
    assert "secret" not in str(raised.value)


def test_certificates_need_encryption_and_come_in_pairs(tmp_path):
    """Said before anything is opened."""
    with pytest.raises(ConfigError, match=re.escape("mqtts://")):
        access("mqtt://127.0.0.1", ca_file=tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match="one needs the other"):
        access("mqtts://host", cert_file=tmp_path / "cert.pem")


def test_a_missing_password_file_is_named():
    """With its option."""
    with pytest.raises(ConfigError, match="--password-file"):
        access("mqtts://host", password_file=__import__("pathlib").Path("/nowhere")).password()
