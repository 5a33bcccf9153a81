"""Kept mouths: where they lie, that nothing beyond the zone is kept, from whatever is known."""

from __future__ import annotations

import numpy as np
import pytest
from faces_kit import ASTRONAUT_POINTS, T1_POINTS, matrix, points
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.geometry import apply, similarity, template
from edged.privacy.pixels import MOUTH_112
from edged.stages import mouth

PEOPLE = (ASTRONAUT_POINTS, T1_POINTS)
TO_CROP = [matrix(named, mouth.TEMPLATE, mouth.SIDE_PX) for named in PEOPLE]
X1, Y1, X2, Y2 = mouth.ZONE_112
SHIFT = 8


def kept(layer, row=0):
    return 255 - layer.free[row].astype(int)


def beyond_zone(mask):
    outside = mask.copy()
    outside[Y1:Y2, X1 + SHIFT : X2 + SHIFT] = 0
    return outside


def test_the_zone_is_the_one_that_the_guard_leaves_out():
    """Two rooms that may not know each other hold one constant."""
    assert mouth.ZONE_112 == MOUTH_112


def test_the_lips_are_kept_and_the_face_around_them_is_not():
    """The whole line between the corners; not the nose, not the eyes."""
    layer = mouth.mouths([points(named) for named in PEOPLE], TO_CROP)
    for row, (named, to_crop) in enumerate(zip(PEOPLE, TO_CROP, strict=True)):
        seen = apply(to_crop, points(named))
        for share in (0.1, 0.5, 0.9):
            x, y = np.rint(seen[3] + share * (seen[4] - seen[3])).astype(int)
            assert kept(layer, row)[y, x] > 240
        for x, y in np.rint(seen[:3]).astype(int):
            assert kept(layer, row)[y, x] == 0


@given(st.lists(st.floats(-300, 500), min_size=10, max_size=10))
@settings(max_examples=100, deadline=None)
def test_nothing_beyond_the_zone_is_kept_whatever_the_landmarks(numbers):
    """Also where corners are far off, swapped or one point."""
    wild = np.array(numbers, np.float32).reshape(5, 2)
    layer = mouth.mouths([wild], [TO_CROP[0]])
    assert not beyond_zone(kept(layer)).any()


@given(st.lists(st.floats(-1e9, 1e9), min_size=24, max_size=24))
@settings(max_examples=50, deadline=None)
def test_no_outline_keeps_anything_beyond_the_zone(numbers):
    """Whatever a landmark network says."""
    ring = np.array(numbers, np.float32).reshape(12, 2)
    assert not beyond_zone(kept(mouth.outlines([ring], TO_CROP[:1]))).any()


@pytest.mark.parametrize("bad", [np.full((5, 2), 9.0), np.full((5, 2), np.nan)])
def test_landmarks_without_a_mouth_keep_nothing(bad):
    """One point, or no numbers."""
    assert (mouth.mouths([bad.astype(np.float32)], [TO_CROP[0]]).free == 255).all()


def test_an_outline_of_lips_keeps_what_is_inside_it():
    """Dense landmarks: a ring of points, in any order; the seam lies outside the lips."""
    middle = points(ASTRONAUT_POINTS)[3:].mean(axis=0)
    turn = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = middle + np.stack([14 * np.cos(turn), 6 * np.sin(turn)], 1)
    layer = mouth.outlines([ring.astype(np.float32)[::-1]], TO_CROP[:1])
    for x, y in np.rint(apply(TO_CROP[0], ring.astype(np.float32))).astype(int):
        assert kept(layer)[y, x] > 100
    assert not beyond_zone(kept(layer)).any()
    assert 0 < (kept(layer) > 127).sum() < 1200


def test_a_parser_s_mouth_is_kept_where_it_is_in_the_picture():
    """Labels in the parser's crop; lips and what is between them count, skin does not."""
    seen_in = matrix(ASTRONAUT_POINTS, "ffhq_512", 512)
    x, y = np.rint(template("ffhq_512", 512)[3:].mean(axis=0)).astype(int)
    labels = np.ones((1, 512, 512), np.uint8)
    labels[0, y - 25 : y - 5, x - 60 : x + 60] = 12
    labels[0, y - 5 : y + 5, x - 60 : x + 60] = 11
    labels[0, y + 5 : y + 25, x - 60 : x + 60] = 13
    layer = mouth.parsed_mouths(labels, [seen_in], TO_CROP[:1])
    across = similarity(template("ffhq_512", 512), template(mouth.TEMPLATE, mouth.SIDE_PX))
    at = np.rint(apply(across, np.array([[x, y]], np.float32))[0]).astype(int)
    assert kept(layer)[at[1], at[0]] == 255
    assert not beyond_zone(kept(layer)).any()
    assert (mouth.parsed_mouths(np.ones_like(labels), [seen_in], TO_CROP[:1]).free == 255).all()
