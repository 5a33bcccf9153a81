"""The guard of disguises, with scripted eyes: what passes, what is filled, what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_kit import (
    ASTRONAUT_BOX,
    ASTRONAUT_POINTS,
    ATTACKS,
    E0,
    E1,
    align,
    face,
    put,
    region,
    stranger,
)
from photos import astronaut

from edged.calibration import Bounds
from edged.geometry import clip, grow
from edged.privacy.guard import Guard, Passed, Refused, fill_region, paint
from edged.stages.align import matrices
from edged.verdicts import Reason

BOUNDS = Bounds(0.42, 0.58, 0.15)
GREY = (96, 96, 96)
AWAY_BOX = (360, 300, 440, 420)
AWAY_POINTS = tuple((x + 180, y + 240) for x, y in ASTRONAUT_POINTS)


class Eyes:
    """Answers each look at the output from a script; the last answer stays.

    A close-up of the input shows its one face wherever the guard asks for it.
    """

    def __init__(self, *answers):
        self.answers, self.looks = list(answers), 0

    def __call__(self, picture):
        if picture.shape != astronaut().shape:
            shown = there()
            shown.landmarks = shown.landmarks - self._corner(picture)
            return [shown]
        self.looks += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @staticmethod
    def _corner(picture):
        """Where a close-up was cut from the astronaut, x and y."""
        match = cv2.matchTemplate(astronaut(), picture, cv2.TM_SQDIFF)
        return np.array(np.unravel_index(match.argmin(), match.shape)[::-1], np.float32)


class CloseUp(Eyes):
    """The same, and sees the astronaut in a cutout of the input round the face."""

    def __call__(self, picture):
        if picture.shape == astronaut().shape:
            return super().__call__(picture)
        x, y = clip(grow(there().box, 2.0), 512, 512)[:2]
        return [face(ASTRONAUT_BOX, [(a - x, b - y) for a, b in ASTRONAUT_POINTS])]


def blind(crops):
    """A recogniser to whom every face is a stranger."""
    return np.tile(E1, (len(crops), 1))


def knowing(crops):
    """A recogniser to whom every face is the visitor."""
    return np.tile(E0, (len(crops), 1))


def guard(recognise=blind, bounds=BOUNDS):
    return Guard(align, lambda points: matrices([points], "arcface_112", 112)[0], recognise, bounds)


def there():
    """The astronaut's face, seen in its place."""
    return face(ASTRONAUT_BOX, ASTRONAUT_POINTS)


def swapped():
    return put(astronaut(), ASTRONAUT_POINTS, lambda _: stranger())


def check(out, eyes, recognise=blind, bounds=BOUNDS, regions=None):
    frame = astronaut()
    regions = regions or [region(frame, ASTRONAUT_BOX, ASTRONAUT_POINTS)]
    ruling = guard(recognise, bounds).disguise(out, regions, eyes, GREY, frame=frame)
    return ruling, regions


def assert_filled(out, box=ASTRONAUT_BOX):
    x1, y1, x2, y2 = box
    assert (out[y1:y2, x1:x2] == GREY).all()


# -- what passes ------------------------------------------------------------------------


def test_a_good_swap_passes_as_it_is():
    """One look, nothing filled, the same memory."""
    out = swapped()
    before, eyes = out.copy(), Eyes([there()])
    ruling, (one,) = check(out, eyes)
    assert isinstance(ruling, Passed)
    assert ruling.image is out
    assert ruling.refilled == 0
    assert eyes.looks == 1
    assert one.action == "swapped"
    assert np.array_equal(out, before)


def test_a_filled_face_passes():
    """Solid and unseen."""
    out = astronaut()
    one = region(out, ASTRONAUT_BOX, ASTRONAUT_POINTS)
    fill_region(out, one, GREY)
    ruling, _ = check(out, Eyes([]), regions=[one])
    assert isinstance(ruling, Passed)
    assert_filled(out)


def test_a_frame_without_faces_passes_when_none_is_seen():
    """The policy of empty frames is the pipeline's."""
    frame = astronaut()
    ruling = guard().disguise(frame.copy(), [], Eyes([]), GREY, frame=frame)
    assert isinstance(ruling, Passed)


# -- what is filled ---------------------------------------------------------------------


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_what_a_person_still_sees_is_filled(attack):
    """A blind recogniser does not matter: pixels are compared too."""
    out = put(astronaut(), ASTRONAUT_POINTS, ATTACKS[attack])
    eyes = Eyes([there()], [])
    ruling, (one,) = check(out, eyes)
    assert isinstance(ruling, Passed)
    assert ruling.refilled == 1
    assert (one.action, one.identity, one.refilled) == ("filled", "", True)
    assert eyes.looks == 2
    assert_filled(out)


def test_a_face_that_can_be_recognised_is_filled():
    """Pixels changed well enough, and the recogniser still knows it."""
    out = swapped()
    ruling, (one,) = check(out, Eyes([there()], []), recognise=knowing)
    assert isinstance(ruling, Passed)
    assert one.refilled
    assert_filled(out)


def test_a_face_that_only_its_mirror_image_gives_away_is_filled():
    """Both ways round are shown to the recogniser."""
    out, given = swapped(), []

    def knows_mirrored(crops):
        given.extend(crops)
        half = len(crops) // 2
        return np.stack([E1] * half + [E0] * (len(crops) - half))

    ruling, (one,) = check(out, Eyes([there()], []), recognise=knows_mirrored)
    assert isinstance(ruling, Passed)
    assert one.refilled
    assert np.array_equal(given[len(given) // 2], given[0][:, ::-1])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_cosine_that_is_no_number_counts_as_recognised(wrong):
    """NaN is above no bound, and must not pass for that."""
    out = swapped()
    ruling, (one,) = check(
        out, Eyes([there()], []), recognise=lambda c: np.full((len(c), 3), wrong, np.float32)
    )
    assert isinstance(ruling, Passed)
    assert one.refilled
    assert_filled(out)


def test_a_swapped_face_that_nobody_sees_again_is_filled():
    """Unseen means unchecked."""
    out = swapped()
    ruling, (one,) = check(out, Eyes([]))
    assert isinstance(ruling, Passed)
    assert one.refilled
    assert_filled(out)


def test_a_face_that_was_not_in_the_input_is_filled():
    """A stranger that only the second look sees does not leave."""
    out = swapped()
    away = face(AWAY_BOX, AWAY_POINTS)
    ruling, (one,) = check(out, Eyes([there(), away], [there()]))
    assert isinstance(ruling, Passed)
    assert ruling.refilled == 1
    assert one.action == "swapped"
    assert_filled(out, AWAY_BOX)


def test_a_face_without_landmarks_in_the_output_is_filled():
    """It cannot be aligned, so it cannot be compared."""
    out = swapped()
    shapeless = face(ASTRONAUT_BOX, [(220, 120)] * 5)
    ruling, _ = check(out, Eyes([shapeless], []))
    assert isinstance(ruling, Passed)
    assert_filled(out)


def test_an_untouched_face_beside_its_swap_is_filled():
    """The swap landed elsewhere in the box; overlap alone does not explain the face."""
    out = astronaut()
    x1, y1, x2, y2 = ASTRONAUT_BOX
    moved = tuple((x - 26, y) for x, y in ASTRONAUT_POINTS)
    out = put(out, moved, lambda _: stranger())
    regions = [region(astronaut(), (x1 - 26, y1, x2 - 26, y2), moved)]
    seen = [face((x1 - 26, y1, x2 - 26, y2), moved), there()]
    ruling, _ = check(out, CloseUp(seen, []), regions=regions)
    assert isinstance(ruling, Passed)
    assert ruling.refilled >= 1
    assert_filled(out)


def test_a_fill_that_is_not_solid_is_filled_again():
    """Something was pasted over it after it was filled."""
    out = astronaut()
    one = region(out, ASTRONAUT_BOX, ASTRONAUT_POINTS)
    fill_region(out, one, GREY)
    out[120, 220] = (0, 0, 255)
    ruling, _ = check(out, Eyes([]), regions=[one])
    assert isinstance(ruling, Passed)
    assert ruling.refilled == 1
    assert_filled(out)


# -- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ([face(AWAY_BOX, AWAY_POINTS)], Reason.FACE_UNEXPECTED),
        ([face((10, 300, 90, 420), AWAY_POINTS)], Reason.FACE_UNEXPECTED),
    ],
)
def test_a_second_failure_refuses_the_picture(second, reason):
    """Filled once, failed again: it stays in."""
    ruling, _ = check(astronaut(), Eyes([there()], second))
    assert ruling == Refused(reason)


def test_a_face_seen_where_it_was_filled_does_not_go_on_for_ever():
    """Two looks at most, whatever the eyes say."""
    eyes = Eyes([there()], [face(AWAY_BOX, AWAY_POINTS)])
    check(astronaut(), eyes)
    assert eyes.looks == 2


def test_without_bounds_everything_is_refused():
    """Not even looked at."""
    eyes = Eyes([])
    ruling, _ = check(swapped(), eyes, bounds=None)
    assert ruling == Refused(Reason.NOT_CALIBRATED)
    assert eyes.looks == 0


@pytest.mark.parametrize("part", ["eyes", "recogniser"])
def test_an_exception_is_no_pass(part):
    """It is the caller's `guard-error`."""

    def broken(_):
        raise RuntimeError("broken")

    eyes = broken if part == "eyes" else Eyes([there()])
    with pytest.raises(RuntimeError):
        check(swapped(), eyes, recognise=broken)


def test_a_swapped_region_without_its_crop_is_an_error():
    """It could not be compared, and is not taken as changed."""
    one = region(astronaut(), ASTRONAUT_BOX, ASTRONAUT_POINTS)
    one.before = None
    with pytest.raises(RuntimeError):
        check(swapped(), Eyes([there()]), regions=[one])


# -- filling ----------------------------------------------------------------------------


def test_a_fill_is_larger_than_its_box_and_nothing_else_changes():
    """Hair and chin are covered; the rectangle says what was touched."""
    out = np.zeros((100, 100, 3), np.uint8)
    rect = paint(out, np.array([40, 40, 60, 60], np.float32), (1, 2, 3))
    x1, y1, x2, y2 = rect
    assert x1 < 40
    assert x2 > 60
    assert (out[y1:y2, x1:x2] == (1, 2, 3)).all()
    out[y1:y2, x1:x2] = 0
    assert not out.any()


def test_a_face_over_the_edge_is_filled_to_the_edge():
    """Partly outside is no way out; wholly outside is nothing to fill."""
    out = np.zeros((100, 100, 3), np.uint8)
    paint(out, np.array([-20, -20, 10, 10], np.float32), GREY)
    assert (out[:10, :10] == GREY).all()
    assert paint(out, np.array([500, 500, 600, 600], np.float32), GREY)[0] == 100


def test_a_box_that_is_no_number_is_not_taken_for_filled():
    """The frame is refused by the exception, not passed with an empty fill."""
    with pytest.raises(ValueError, match="number"):
        paint(np.zeros((9, 9, 3), np.uint8), np.full(4, np.nan, np.float32), GREY)
