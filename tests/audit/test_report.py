"""The report of an audit: what is asked of it is in it, and what was not told is called so."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.audit.gather import code_sha256, facts
from edged.audit.report import UNTOLD, text
from edged.config import loads
from edged.config.starter import starter
from edged.recipe import list_recipes

LAN = """
[frames.lan]
listen = "192.0.2.5:5555"
"""


def made(extra="", status=None):
    """Facts of the starter's configuration."""
    config = loads(starter("booth-1") + extra, Path("/etc/edged/edged.toml"))
    return facts(config, Path("/etc/edged/edged.toml"), list_recipes(), status)


def test_without_an_engine_nothing_is_promised_that_only_it_can_tell():
    """No isolation from the configuration's wish, no stock from a guess."""
    report = text(made())
    assert f"found: {UNTOLD}" in report
    assert f"now: {UNTOLD}" in report
    assert "found by the engine" not in report


def test_terms_that_the_operator_vouches_for_stand_out():
    """Beside those that are free for any use."""
    real = """
[models]
swapper = "inswapper_128"
embedder = "w600k_r50"
accept_licence = ["w600k_r50", "inswapper_128"]
"""
    lines = text(made(real)).splitlines()
    (line,) = (line for line in lines if line.startswith("inswapper_128"))
    assert line.endswith("ask the vendor for commercial use, accepted by the operator")
    (line,) = (line for line in lines if line.startswith("builtin_detector"))
    assert line.endswith("commercial use allowed")


def test_the_hash_of_the_code_is_of_its_content():
    """The same twice, and 64 digits."""
    assert code_sha256() == code_sha256()
    assert len(code_sha256()) == 64


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("", "keys of cameras on the network: not used; any that `edged keys` made: in {}"),
        (LAN, "this device's secret key and the public keys of cameras on the network: in {}"),
    ],
)
def test_the_keys_of_cameras_on_the_network_are_said_to_be_stored(extra, said):
    """And where, also while no camera may come from there."""
    found = made(extra)
    assert said.format(found["stored"]["lan_keys"]) in text(found).splitlines()
    assert found["stored"]["lan_keys"].endswith("/keys")
