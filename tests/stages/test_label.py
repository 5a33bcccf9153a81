"""Labels: readable, opaque, out of the way of faces, and at rest in a live picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.stages.label import GROUND_BGR, LETTERS_BGR, Labeller, drawn

TEXT = "AI-edited"


def frame(height=480, width=640):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def face(x1, y1, x2, y2):
    return np.array([x1, y1, x2, y2], np.float32)


LOWER_RIGHT = face(500, 380, 640, 480)
LOWER_LEFT = face(0, 380, 140, 480)


def test_it_is_drawn_in_the_lower_right_and_nowhere_else():
    """Every other pixel stays."""
    image, before = frame(), frame()
    x1, y1, x2, y2 = Labeller()(image, TEXT, [], "booth")
    assert (x2, y2) == (640, 480)
    changed = (image != before).any(axis=2)
    assert changed[y1:y2, x1:x2].mean() > 0.9
    changed[y1:y2, x1:x2] = False
    assert not changed.any()


def test_nothing_shines_through():
    """Whatever was there, the same pixels are there now: it can hide and not show."""
    dark, light = np.zeros((480, 640, 3), np.uint8), np.full((480, 640, 3), 255, np.uint8)
    place = Labeller()(dark, TEXT, [], "booth")
    assert Labeller()(light, TEXT, [], "booth") == place
    x1, y1, x2, y2 = place
    assert np.array_equal(dark[y1:y2, x1:x2], light[y1:y2, x1:x2])


def test_letters_and_ground_are_far_apart():
    """A person can read it: both colours are in it, and letters are a fair part."""
    label = drawn(TEXT, 1080, 1920)
    assert label.shape[0] == 34
    letters = (label > np.array(LETTERS_BGR) * 0.9).all(axis=2).mean()
    assert 0.04 < letters < 0.4
    assert (label == GROUND_BGR).all(axis=2).mean() > 0.4
    edge = np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])
    assert (edge == GROUND_BGR).all()  # no letter is cut off


def test_it_goes_where_no_face_is():
    """The next corner in turn."""
    labeller = Labeller()
    assert labeller(frame(), TEXT, [LOWER_RIGHT], "a")[:1] == (0,)
    x1, y1, *_ = labeller(frame(), TEXT, [LOWER_RIGHT, LOWER_LEFT], "b")
    assert x1 > 0
    assert y1 == 0


def test_in_a_crowd_it_covers_the_least():
    """No corner is free: the one with the smallest part of a face."""
    faces = [face(0, 0, 640, 60), LOWER_LEFT, face(620, 470, 640, 480)]
    assert Labeller()(frame(), TEXT, faces, "booth")[2:] == (640, 480)


def test_it_does_not_jump_back_and_forth():
    """A face that comes and goes moves it once; each camera has its own place."""
    labeller = Labeller()
    first = labeller(frame(), TEXT, [], "booth")
    moved = labeller(frame(), TEXT, [LOWER_RIGHT], "booth")
    assert moved != first
    assert labeller(frame(), TEXT, [], "booth") == moved
    assert labeller(frame(), TEXT, [], "door") == first


def test_a_label_is_made_once_for_a_size():
    """Nothing is drawn anew for each frame."""
    assert drawn(TEXT, 480, 640) is drawn(TEXT, 480, 640)
    with pytest.raises(ValueError, match="read-only"):
        drawn(TEXT, 480, 640)[:] = 0


@given(
    st.integers(16, 700), st.integers(16, 700),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40),
)  # fmt: skip
def test_any_text_fits_any_picture(height, width, text):
    """It stays inside, however small the picture is."""
    image = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = Labeller()(image, text, [], "booth")
    assert 0 <= x1 < x2 <= width
    assert 0 <= y1 < y2 <= height
