"""Close looks: spots, the way back from them, and when they are taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spots_kit import SIDE, Upright, drawn, face, points

from edged.faces import Detections
from edged.geometry import apply
from edged.stages.search import search
from edged.stages.spots import MOST, Memory, Spot, in_picture, lean_deg, spot_of, to_look_at
from edged.stages.views import Effort


@given(
    st.floats(100, 900), st.floats(100, 900), st.floats(8, 900), st.floats(-179, 179),
    st.sampled_from([96, 128, 256]),
)  # fmt: skip
@settings(deadline=None)
def test_a_close_look_shows_a_face_upright_and_leads_back(x, y, size, angle_deg, side):
    """Whatever its size and lean: upright in the look, and in its place in the picture."""
    seen = face(x, y, size, angle_deg)
    spot = spot_of(seen)
    inside = apply(spot.to_view(side), seen.landmarks)
    assert abs(lean_deg(inside)) < 0.5
    assert np.abs(inside - side / 2).max() < side / 3
    box = np.concatenate([inside.min(axis=0), inside.max(axis=0)])
    found = Detections(box[None], np.float32([0.9]), inside[None], "scrfd")
    back = in_picture(found, spot, side)
    assert np.abs(back.landmarks[0] - seen.landmarks).max() < 0.02 * size
    assert np.abs(back.boxes[0].reshape(2, 2).mean(axis=0) - [x, y]).max() < 0.2 * size


def test_a_box_keeps_its_size_whatever_the_lean():
    """The bounds of a turned square would be 1.41 times as large."""
    for angle in (0, 45, 90, 135):
        seen = face(500, 500, 200, angle)
        spot = spot_of(seen)
        inside = np.float32([[32, 32, 96, 96]])
        marks = apply(spot.to_view(SIDE), seen.landmarks)[None]
        (box,) = in_picture(Detections(inside, np.float32([0.9]), marks, "scrfd"), spot, SIDE).boxes
        assert box[2:] - box[:2] == pytest.approx([200, 200], rel=1e-4)


def test_a_neighbour_at_the_edge_of_a_close_look_is_left_to_others():
    """It may be cut off there."""
    spot = spot_of(face(500, 500, 200))
    beside = apply(spot.to_view(SIDE), points(650, 500, 200))[None]
    found = Detections(np.float32([[90, 30, 127, 100]]), np.float32([0.9]), beside, "scrfd")
    assert len(in_picture(found, spot, SIDE)) == 0


@pytest.mark.parametrize("angle_deg", [-150, -90, -45, 45, 90, 180])
def test_a_face_that_leans_is_found_where_it_was(angle_deg):
    """No upright look at the whole picture sees it."""
    truth = points(900, 500, 160, angle_deg)
    image, detector = drawn(truth), Upright()
    assert search(image, [detector], Effort((640,))) == []
    was = spot_of(face(910, 490, 170, angle_deg + 8))
    (seen,) = search(image, [detector], Effort((640,), close_px=SIDE, expected=(was,)))
    assert np.abs(seen.landmarks[:2] - truth[:2]).max() < 4


@pytest.mark.parametrize("size", [20, 1000])
def test_a_face_of_any_size_is_found_where_it_was(size):
    """Too small for a look at 640 px, and too large for it."""
    truth = points(900, 520, size)
    image, detector = drawn(truth), Upright()
    assert search(image, [detector], Effort((640,))) == []
    was = spot_of(face(900, 520, size * 1.1))
    (seen,) = search(image, [detector], Effort((640,), close_px=SIDE, expected=(was,)))
    assert np.abs(seen.landmarks[:2] - truth[:2]).max() < 0.05 * size + 2


def test_a_face_that_is_where_it_was_costs_no_close_look():
    """One look, as without a memory."""
    truth = points(900, 500, 300)
    image, detector = drawn(truth), Upright()
    was = spot_of(face(900, 500, 300))
    assert len(search(image, [detector], Effort((640,), close_px=SIDE, expected=(was,)))) == 1
    assert detector.sides == [640]


def test_a_spot_that_is_empty_now_gives_nothing():
    """The look is taken, and no face is made up."""
    image, detector = np.zeros((1080, 1920, 3), np.uint8), Upright()
    was = spot_of(face(900, 500, 300))
    assert search(image, [detector], Effort((640,), close_px=SIDE, expected=(was,))) == []
    assert detector.sides == [640, SIDE]


def test_every_face_gets_a_close_look_where_that_is_asked_for():
    """As in a shot."""
    image, detector = drawn(points(900, 500, 300)), Upright()
    assert len(search(image, [detector], Effort((640,), close_px=SIDE, every=True))) == 1
    assert detector.sides == [640, SIDE]


def test_which_spots_are_looked_at():
    """Those that no face explains, and faces that lean; who stands on the head explains nothing."""
    upright, leaning = face(100, 100, 50), face(300, 100, 50, 40)
    gone, turned = spot_of(face(500, 100, 50)), spot_of(face(100, 100, 50, 180))
    asked = to_look_at([upright, leaning], [gone, turned, spot_of(upright)], every=False)
    assert asked == [gone, turned, spot_of(leaning)]
    assert to_look_at([face(50 * n, 0, 40) for n in range(99)], [], every=True)[MOST:] == []


def test_the_memory_keeps_who_is_not_seen_for_a_while():
    """And not longer; who is seen has one spot."""
    memory = Memory()
    memory.update([face(100, 100, 50), face(300, 100, 50)], 0, 700)
    memory.update([face(105, 100, 50)], 100, 700)
    assert memory.expected(200, 700) == (spot_of(face(105, 100, 50)), spot_of(face(300, 100, 50)))
    assert memory.expected(750, 700) == (spot_of(face(105, 100, 50)),)


def test_a_spot_far_outside_the_picture_shows_black():
    """A hostile or stale place raises nothing."""
    for x in (-1e4, 1e4):
        spot = Spot((x, x, x + 5000, x + 5000), 30.0)
        assert search(np.full((90, 160, 3), 255, np.uint8), [Upright()],
                      Effort((128,), close_px=SIDE, expected=(spot,))) == []  # fmt: skip


@pytest.mark.parametrize("angle_deg", [-45, 45, 135])
@pytest.mark.parametrize("shape", [(1080, 1920), (1920, 1080), (480, 640)])
def test_a_face_between_two_turns_is_found_in_a_diagonal(shape, angle_deg):
    """Wherever it lies in the picture; the corners are shown, too."""
    height, width = shape
    for x, y in ((width / 2, height / 2), (0.12 * width, 0.12 * height), (0.85 * width, 90)):
        truth = points(x, y, 150, angle_deg)
        effort = Effort((640,), diagonals=(45.0, -45.0, 135.0))
        (seen,) = search(drawn(truth, height, width), [Upright()], effort)
        assert np.abs(seen.landmarks[:2] - truth[:2]).max() < 6
