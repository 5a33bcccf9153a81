"""Measured bounds of the guard."""

from __future__ import annotations

from doctor_kit import FakeHost, ids, only, setup

from edged.doctor.checks.guard import look

OTHER = '[models]\nguard_recogniser = "w600k_mbf"\naccept_licence = ["w600k_mbf"]\n'
BOUNDS = '[recognisers.w600k_mbf]\nidentity_max = 0.35\nmeasured_on = "a test"\n'


def own_file(state):
    path = state / "calibration" / "guard.toml"
    path.parent.mkdir(parents=True)
    return path


def test_shipped_bounds_are_well(root):
    """The built-in pack was measured."""
    assert ids(look(FakeHost(root), setup())) == {"guard.calibrated": "ok"}


def test_models_that_were_never_measured_fail(root):
    """Nothing would leave; the tables that are missing are named, and the file for them."""
    one = only(look(FakeHost(root), setup(OTHER)))
    assert (one.id, one.level) == ("guard.not-calibrated", "fail")
    assert "[recognisers.w600k_mbf]" in one.what
    assert "swappers" not in one.what
    assert one.where.endswith("calibration/guard.toml")
    assert "edged calibrate guard FOLDER --config " in one.advice


def test_the_devices_own_bounds_count(root, state):
    """They lie beside the model folder."""
    own_file(state).write_text(BOUNDS)
    assert ids(look(FakeHost(root), setup(OTHER))) == {"guard.calibrated": "ok"}


def test_a_file_that_cannot_be_read_fails(root, state):
    """The engine would not start with it."""
    own_file(state).write_text("[recognisers.w600k_mbf]\nidentity_max = 2\n")
    assert ids(look(FakeHost(root), setup(OTHER))) == {"guard.unreadable": "fail"}
