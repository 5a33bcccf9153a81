"""`[frames.lan]`: who can reach the listener from outside needs a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config import loads, missing_files
from edged.errors import ConfigError

PATH = Path("/etc/booth/edged.toml")
BASE = """
[device]
name = "booth-1"
[cameras.door]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["bob"]
[identities.bob]
photos = ["builtin:character"]
[outbox]
folder = "/var/lib/edged/outbox"
"""


def lan(text):
    return loads(f"{BASE}\n[frames.lan]\n{text}", PATH)


def test_keys_lie_beside_the_outbox_and_must_be_there():
    """With the command that makes them."""
    config = lan('listen = "192.0.2.5:5555"')
    assert config.frames.lan.keys == config.keys_folder == Path("/var/lib/edged/keys")
    assert loads(BASE, PATH).keys_folder == Path("/var/lib/edged/keys")
    (line,) = missing_files(config, uplink=False)
    assert line.startswith("frames.lan.keys = ")
    assert "edged keys new" in line


@pytest.mark.parametrize("address", ["192.0.2.5:5555", "0.0.0.0:5555", "[::]:5555"])
def test_without_keys_it_is_refused_where_others_reach_it(address):
    """Path, reason and what to do."""
    with pytest.raises(ConfigError, match=r"frames\.lan\.curve = false: .*`edged keys"):
        lan(f'listen = "{address}"\ncurve = false')


@pytest.mark.parametrize("address", ["127.0.0.1:5555", "[::1]:5555"])
def test_loopback_may_go_without(address):
    """For programs that know no CURVE."""
    assert missing_files(lan(f'listen = "{address}"\ncurve = false'), uplink=False) == []


@pytest.mark.parametrize("text", ['listen = "booth:5555"', 'listen = "*:5555"', ""])
def test_an_address_is_needed(text):
    """A numeric one."""
    with pytest.raises(ConfigError, match=r"frames\.lan\.listen"):
        lan(text)
