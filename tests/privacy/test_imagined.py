"""A doubtful face in the output is nobody's only on the input's own pixels that show nobody."""

from __future__ import annotations

import numpy as np
import pytest

from edged.faces import Face
from edged.geometry import template
from edged.privacy.regions import imagined

BOX = (100, 100, 200, 200)


def noise(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (300, 300, 3), np.uint8)


def face(*, doubtful=True, box=BOX):
    points = template("arcface_112", 112) * np.float32(100 / 112) + np.float32(box[:2])
    return Face(np.array(box, np.float32), 0.55, points, frozenset({"yunet"}), doubtful=doubtful)


def nobody(_picture):
    return []


def test_a_doubtful_face_on_untouched_pixels_that_show_nobody_is_imagined():
    """Nothing to fill, nothing to refuse a picture for."""
    frame = noise()
    assert imagined(frame, frame.copy(), face(), nobody)


def test_the_edge_of_a_neighbour_s_fill_may_reach_in():
    """A tenth of it, not more."""
    frame = noise()
    for columns, expected in ((9, True), (12, False)):
        out = frame.copy()
        out[:, : 100 + columns] = 96
        assert imagined(frame, out, face(), nobody) is expected


def test_a_face_that_a_close_look_confirmed_is_not_imagined():
    """However untouched its pixels are: then it is somebody whom the input's search missed."""
    frame = noise()
    assert not imagined(frame, frame.copy(), face(doubtful=False), nobody)


def test_a_face_that_the_input_shows_close_up_is_not_imagined():
    """The cutting is twice as large as the face, which lies in its middle."""
    frame = noise()
    assert not imagined(frame, frame.copy(), face(), lambda _: [face(box=(50, 50, 150, 150))])


def test_a_face_that_was_made_is_not_imagined():
    """Pixels that the input does not have."""
    assert not imagined(noise(), noise(1), face(), nobody)


@pytest.mark.parametrize("box", [(-90, 0, -10, 80), (400, 400, 500, 500)])
def test_a_face_outside_the_picture_is_not_imagined(box):
    """What cannot be compared is not explained."""
    frame = noise()
    assert not imagined(frame, frame.copy(), face(box=box), nobody)
