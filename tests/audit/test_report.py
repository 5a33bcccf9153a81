"""The report of an audit: what is asked of it is in it, and what was not told is called so."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged import __version__
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


def told(**changed):
    """What a running engine answers, as far as the report reads it."""
    info = {
        "edged": __version__, "config_digest": "other", "python": "3.12.1", "clock_synced": True,
        "packages": {"numpy": "2.4.6"}, "models": {}, "receipt_key": "ed25519:k",
        "isolation": {"mode": "namespace", "proof": {"routes": "none"}},
        "hardening": {"core_dumps": False, "dumpable": False, "swap": "none"},
        "guard": {"calibrated": True, "recogniser": "r", "families": ["scrfd", "yunet"]},
        "hides": "It hides faces alone.", "provenance": {"source_type": "xmp", "c2pa": {}},
    }  # fmt: skip
    outbox = {"depth": 2, "retained": 3, "aside": 1,
              "last_purge_ms": 1_700_000_000_000, "last_purge_rows": 4}  # fmt: skip
    return {"state": "online", "reason": "ok", "health": {"outbox": outbox},
            "info": info | changed}  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("namespace", "it can reach no"),
        ("seccomp", "the weaker of the two modes"),
        ("off", "IT IS NOT ISOLATED"),
    ],
)
def test_each_mode_of_isolation_is_said_in_words_of_people(mode, said):
    """Beside the proof, which is for whoever checks it."""
    report = text(made(status=told(isolation={"mode": mode, "proof": {"routes": "none"}})))
    assert f"found by the engine itself at its start: {mode}" in report
    assert said in report
    assert "  routes: none" in report


def test_what_an_officer_must_not_overlook_is_in_capitals():
    """Built-in models, one detector family, another configuration, an open clock."""
    guard = {"calibrated": True, "recogniser": "r", "families": ["haar"]}
    report = text(made(status=told(guard=guard, clock_synced=False, edged="0.0.1")))
    for said in (
        "BUILT-IN MODELS ARE IN USE", "ONE detector family", "NO: it was started with another one",
        "that is NOT synchronised", "NO: it runs another",
    ):  # fmt: skip
        assert said in report, said


def test_a_running_engine_tells_the_last_purge_the_stock_and_its_parts():
    """With the time in UTC, how many, and the key that receipts are verified with."""
    report = text(made(status=told()))
    assert "last purge: 2023-11-14 22:13:20 UTC, 4 pictures" in report
    assert "2 undelivered, 3 delivered, 1 set aside" in report
    assert "ed25519:k" in report
    assert "  numpy 2.4.6" in report
    assert "marked as made by AI" in report
    assert UNTOLD not in report


def test_faces_that_the_operator_stored_are_named():
    """Characters' and wearers' photos are personal data, too; built-in ones are nobody's."""
    config = starter("booth-1").replace(
        'photos = ["builtin:character"]', 'photos = ["ada.jpg"]\nworn_by = ["eve.jpg"]'
    )
    settings = loads(config, Path("/etc/edged/edged.toml"))
    report = text(facts(settings, Path("/etc/edged/edged.toml"), list_recipes(), None))
    assert "  /etc/edged/ada.jpg\n  /etc/edged/eve.jpg\n" in report
    assert "none, built-in ones" in text(made())


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("", "over the network: nobody"),
        (LAN, "over the network: at 192.0.2.5:5555, only with a key that the operator gave out"),
    ],
)
def test_who_may_hand_pictures_in_is_said(extra, said):
    """On the device and over the network."""
    assert said in text(made(extra)).splitlines()
