"""Keeping the engine off the network."""

from __future__ import annotations

from doctor_kit import FakeHost, ids, only, setup

from edged.doctor.checks.isolation import look
from edged.privacy.trial import Trial

REFUSED = Trial(given=False, reason="isolation: no network namespace can be made here.")


def found(root, configured=None, **modes):
    return list(look(FakeHost(root, modes=modes), configured or setup()))


def test_a_mode_that_is_given_is_well(root):
    """The process that was shut in said so."""
    assert ids(found(root, namespace=Trial(given=True))) == {"isolation.given": "ok"}


def test_a_mode_that_is_refused_fails_with_the_kernels_reason(root):
    """And says what works instead."""
    one = only(found(root, namespace=REFUSED))
    assert (one.id, one.level) == ("isolation.refused", "fail")
    assert "no network namespace" in one.advice
    assert '"seccomp" works' in one.advice
    assert "works" not in only(found(root, namespace=REFUSED, seccomp=REFUSED)).advice


def test_a_gpu_that_is_lost_inside_is_told(root):
    """Its nodes could be opened outside."""
    one = only(found(root, namespace=Trial(given=True, lost=("/dev/nvidia0",))))
    assert one.id == "isolation.gpu-lost"
    assert "/dev/nvidia0" in one.what


def test_none_at_all_is_a_warning(root):
    """It is allowed, in so many words."""
    off = setup(replace={'mode = "namespace"': 'mode = "off"'})
    assert ids(found(root, off)) == {"isolation.off": "warn"}
