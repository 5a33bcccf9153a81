"""Licences of the configured models."""

from __future__ import annotations

from doctor_kit import FakeHost, ids, setup

from edged.doctor.checks.licences import look

REAL = """
[models]
detectors = ["det_10g", "yunet"]
embedder = "w600k_r50"
swapper = "inswapper_128"
restorer = "gfpgan_1.4"
guard_recogniser = "w600k_mbf"
accept_licence = ["det_10g", "w600k_r50", "inswapper_128", "w600k_mbf"]
"""


def test_free_models_are_well(root):
    """The built-in pack is edged's own."""
    assert ids(look(FakeHost(root), setup())) == {"licences.free": "ok"}


def test_models_that_ask_for_terms_are_named(root):
    """Each with whom to ask; a model that is free is not among them."""
    found = list(look(FakeHost(root), setup(REAL)))
    bound = {one.data["model"] for one in found if one.id == "licences.bound"}
    assert bound == {"det_10g", "w600k_r50", "inswapper_128", "w600k_mbf"}
    assert {one.level for one in found} == {"note"}


def test_models_whose_weights_nobody_ran_are_named(root):
    """A stand-in of the contract is no proof of the pictures."""
    found = list(look(FakeHost(root), setup(REAL)))
    unseen = {one.data["model"] for one in found if one.id == "licences.unseen"}
    assert "inswapper_128" in unseen
    assert "yunet" not in unseen
