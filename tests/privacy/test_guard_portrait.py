"""The guard of portraits: template pixels, expected faces, nobody else's likeness."""

from __future__ import annotations

import numpy as np
import pytest
from faces_kit import E0, E1, E2

from edged.calibration import Bounds
from edged.faces import Face
from edged.privacy.guard import Guard, Passed, Refused, Slot
from edged.verdicts import Reason

BOX = np.array([20, 20, 60, 60], np.float32)
RECT = (24, 24, 56, 56)
VISITOR, BYSTANDER, NOBODY = E0, E1, E2


def template():
    return np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)


def portrait(at=RECT):
    """The template with something new in the slot's rectangle."""
    out = template()
    out[at[1] : at[3], at[0] : at[2]] ^= 85
    return out


def seen(box):
    return Face(np.array(box, np.float32), 0.9, np.zeros((5, 2), np.float32), frozenset({"scrfd"}))


def judge(out, *, likeness=VISITOR, bystanders=(), faces=(), bounds=None, slots=None):
    slots = [Slot(BOX, np.eye(2, 3), RECT, VISITOR)] if slots is None else slots
    guard = Guard(
        align=lambda _image, _matrix: np.zeros((112, 112, 3), np.uint8),
        alignment_of=lambda _points: np.eye(2, 3),
        recognise=lambda crops: np.tile(np.asarray(likeness, np.float32), (len(crops), 1)),
        bounds=bounds or Bounds(0.42, 0.58, 0.15),
    )
    return guard.portrait(
        out, template(), slots,
        template_boxes=BOX[None], bystanders=bystanders, search=lambda _: list(faces),
    )  # fmt: skip


def test_a_portrait_of_the_visitor_passes():
    """Changed in the slot alone, the face where the template has one."""
    out = portrait()
    ruling = judge(out, faces=[seen(BOX)], bystanders=[BYSTANDER])
    assert isinstance(ruling, Passed)
    assert ruling.image is out


@pytest.mark.parametrize("pixel", [(0, 0), (23, 24), (56, 56), (99, 119)])
def test_one_pixel_outside_the_slot_is_enough_to_refuse(pixel):
    """Nothing of the camera's frame can be there, not by one grey level."""
    out = portrait()
    out[pixel][1] ^= 1
    assert judge(out) == Refused(Reason.GUARD_ERROR)


def test_a_picture_of_another_size_is_refused():
    """It is not the template."""
    assert judge(portrait()[:-1]) == Refused(Reason.GUARD_ERROR)


def test_a_face_where_the_template_has_none_is_refused():
    """Nobody was put there on purpose."""
    ruling = judge(portrait(), faces=[seen(BOX), seen((80, 60, 110, 95))])
    assert ruling == Refused(Reason.FACE_UNEXPECTED)


def test_the_likeness_of_a_bystander_is_refused():
    """Who did not consent is not in the picture, whoever the slot was meant for."""
    ruling = judge(portrait(), likeness=BYSTANDER, bystanders=[BYSTANDER])
    assert ruling == Refused(Reason.FACE_RECOGNISABLE)


def test_a_visitor_who_looks_like_a_bystander_passes():
    """Alike, but nearer to the visitor: a sister stands behind."""
    alike = np.array([0.8, 0.6, 0], np.float32)
    assert isinstance(judge(portrait(), likeness=alike, bystanders=[BYSTANDER]), Passed)


def test_likeness_below_the_bound_is_no_likeness():
    """Nearer to a bystander than to the visitor, and to neither."""
    weak = np.array([0.1, 0.3, 0.95], np.float32)
    assert isinstance(judge(portrait(), likeness=weak, bystanders=[BYSTANDER]), Passed)


@pytest.mark.parametrize("bystanders", [[BYSTANDER], [np.full(3, np.nan, np.float32)]])
def test_a_cosine_that_is_no_number_is_refused(bystanders):
    """Whichever side it comes from."""
    ruling = judge(portrait(), likeness=np.full(3, np.nan), bystanders=bystanders)
    assert ruling == Refused(Reason.GUARD_ERROR)


def test_without_bounds_every_portrait_is_refused():
    """Not calibrated, not published."""
    guard = Guard(
        align=lambda *_: None, alignment_of=lambda _: None, recognise=lambda _: None, bounds=None
    )
    ruling = guard.portrait(
        portrait(), template(), [], template_boxes=BOX[None], bystanders=[], search=lambda _: []
    )
    assert ruling == Refused(Reason.NOT_CALIBRATED)


def test_an_exception_of_the_search_is_no_pass():
    """It is the caller's `guard-error`."""

    def broken(_):
        raise RuntimeError

    guard = Guard(
        align=lambda *_: None,
        alignment_of=lambda _: None,
        recognise=lambda _: None,
        bounds=Bounds(0.4, 0.5, 0.1),
    )
    with pytest.raises(RuntimeError):
        guard.portrait(
            template(), template(), [], template_boxes=BOX[None], bystanders=[], search=broken
        )
